import { type Capability, Name, type Route, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import { MonitorQuery, MonitorReport } from './contract.ts';
import { type MonitorPorts, monitor } from './monitor.ts';

/** What monitoring brings to the house: it has no tables of its own. */
export function monitoringCapability(ports: MonitorPorts): Capability {
  return { name: 'monitoring', routes: [monitorRoute(ports)] };
}

function monitorRoute(ports: MonitorPorts): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/releases/{name}/monitor',
    permission: 'project.read',
    summary: 'Compares a recent window of a release with its training data, and measures quality from outcomes',
    params: z.object({ name: Name }),
    query: MonitorQuery,
    response: MonitorReport,
    handle: ({ project, params, query }) => monitor(ports, project, params.name, query),
  });
}
