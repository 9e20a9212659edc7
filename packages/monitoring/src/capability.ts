import { type Capability, Name, RawReply, type Route, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import {
  Alert,
  AlertNote,
  AlertPage,
  AlertQuery,
  ChannelBody,
  ChannelList,
  ChannelRemoved,
  CreatedChannel,
  DeliveryResult,
  MonitorCheck,
  MonitorQuery,
  MonitorReport,
  MonitorSettings,
  MonitorSettingsReply,
  ResourceReport,
} from './contract.ts';
import { GRAFANA_DASHBOARD } from './dashboard/grafana-dashboard.ts';
import { migrations } from './migrations.ts';
import type { Monitoring } from './monitoring.ts';

/** How often the job asks whose turn it is and sends what waits. */
const ROUND_EVERY_MS = 15_000;

/** The tables alone. */
export const monitoringSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'monitoring', migrations };

/** What monitoring brings to the house: tables, routes, and the job that looks and tells. */
export function monitoringCapability(monitoring: Monitoring): Capability {
  return {
    ...monitoringSchema,
    routes: [
      ...monitorRoutes(monitoring),
      ...alertRoutes(monitoring),
      ...channelRoutes(monitoring),
      dashboardRoute(),
      resourceRoute(monitoring),
    ],
    jobs: [{ name: 'monitoring', everyMs: ROUND_EVERY_MS, run: (signal) => monitoring.round(signal) }],
  };
}

const release = z.object({ name: Name });

function monitorRoutes(monitoring: Monitoring): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}/monitor',
      permission: 'project.read',
      summary: 'Compares a recent window of a release with its training data, and measures quality from outcomes',
      params: release,
      query: MonitorQuery,
      response: MonitorReport,
      handle: ({ project, params, query }) => monitoring.report(project, params.name, query),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/monitor/check',
      permission: 'release.write',
      summary: 'Looks at a release now, and raises and resolves its alerts',
      params: release,
      response: MonitorCheck,
      handle: ({ project, params }) => monitoring.check(project, params.name),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}/monitor/settings',
      permission: 'project.read',
      summary: 'What the monitor of a release asks',
      params: release,
      response: MonitorSettingsReply,
      handle: async ({ project, params }) => ({ release: params.name, ...(await monitoring.settings(project, params.name)) }),
    }),
    defineRoute({
      method: 'PUT',
      path: '/v1/releases/{name}/monitor/settings',
      permission: 'release.write',
      summary: 'Sets what the monitor of a release asks: thresholds, objectives, groups, how often',
      params: release,
      body: MonitorSettings,
      response: MonitorSettingsReply,
      handle: async ({ project, params, body, principal }) => ({
        release: params.name,
        ...(await monitoring.configure(project, params.name, body, principal)),
      }),
    }),
  ];
}

const alertParams = z.object({ alert: z.string().max(64) });

function alertRoutes({ alerts }: Monitoring): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/alerts',
      permission: 'project.read',
      summary: 'Lists alerts, newest first',
      query: AlertQuery,
      response: AlertPage,
      async handle({ project, query }) {
        const page = await alerts.list(project, query);
        return { items: [...page.items], nextCursor: page.nextCursor };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/alerts/{alert}',
      permission: 'project.read',
      summary: 'One alert',
      params: alertParams,
      response: Alert,
      handle: ({ project, params }) => alerts.get(project, params.alert),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/alerts/{alert}/acknowledge',
      permission: 'release.rollback',
      summary: 'Says that somebody looks into an alert',
      params: alertParams,
      body: AlertNote,
      response: Alert,
      handle: ({ project, params, principal, body }) => alerts.acknowledge(project, params.alert, principal, body.note),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/alerts/{alert}/resolve',
      permission: 'release.rollback',
      summary: 'Says that an alert is over',
      params: alertParams,
      body: AlertNote,
      response: Alert,
      handle: ({ project, params, principal, body }) => alerts.resolve(project, params.alert, principal, body.note),
    }),
  ];
}

const channelParams = z.object({ channel: Name });

function channelRoutes({ channels }: Monitoring): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/channels',
      permission: 'project.manage',
      summary: 'Lists where alerts are sent',
      response: ChannelList,
      handle: async ({ project }) => ({ items: await channels.list(project) }),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/channels',
      permission: 'project.manage',
      summary: 'Adds a signed webhook, a Slack-compatible address or a mailbox; the signing secret is shown only now',
      body: ChannelBody,
      response: CreatedChannel,
      successStatus: 201,
      handle: ({ project, principal, body }) => channels.add(project, body, principal),
    }),
    defineRoute({
      method: 'DELETE',
      path: '/v1/channels/{channel}',
      permission: 'project.manage',
      summary: 'Removes a channel and what waits for it',
      params: channelParams,
      response: ChannelRemoved,
      async handle({ project, principal, params }) {
        await channels.remove(project, params.channel, principal);
        return { removed: true };
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/channels/{channel}/test',
      permission: 'project.manage',
      summary: 'Sends a test message at once',
      params: channelParams,
      response: DeliveryResult,
      handle: ({ project, params }) => channels.test(project, params.channel),
    }),
  ];
}

function dashboardRoute(): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/dashboards/grafana',
    permission: 'project.read',
    summary: 'A Grafana dashboard over the metrics, ready to import',
    response: z.unknown(),
    handle: async () => new RawReply(JSON.stringify(GRAFANA_DASHBOARD, null, 2), { contentType: 'application/json' }),
  });
}

function resourceRoute(monitoring: Monitoring): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/resources',
    permission: 'instance.manage',
    summary: 'What this server uses: memory, heap, event loop, disk, unstored calls',
    response: ResourceReport,
    handle: () => monitoring.resources(),
  });
}
