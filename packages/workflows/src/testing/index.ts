import { auditSchema, createAudit, type Audit } from '@slipway/audit';
import { createIds, systemClock, type Principal, type WorkflowDefinition } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { workflowsSchema } from '../capability.ts';
import type { LogEntry } from '../log.ts';
import { createWorkflows, type Workflows, type WorkflowsDeps } from '../workflows.ts';

/** What a store needs for workflows: their tables and the audit log's. */
export const testSchemas = [auditSchema, workflowsSchema];

export const TEST_PROJECT = 'prj_test';

export const testPrincipal: Principal = { id: 'prn_test', project: TEST_PROJECT, role: 'admin', instance: false, label: 'test' };

export interface TestWorkflows {
  readonly workflows: Workflows;
  readonly log: LogEntry[];
  readonly audit: Audit;
  /** Starts a run in a transaction of its own. */
  start(workflow: string, input?: unknown, more?: Partial<Parameters<Workflows['start']>[1]>): Promise<string>;
}

/** Workflows with these definitions, launched on the store. */
export async function launchTestWorkflows(
  records: Records,
  definitions: readonly WorkflowDefinition[],
  options: Partial<Pick<WorkflowsDeps, 'executorId' | 'leaseMs' | 'queues'>> = {},
): Promise<TestWorkflows> {
  const log: LogEntry[] = [];
  const ids = createIds(systemClock);
  const audit = createAudit({ records, clock: systemClock, ids });
  const workflows = createWorkflows({
    records,
    audit,
    clock: systemClock,
    ids,
    executorId: 'test',
    applicationVersion: 'test',
    log: (entry) => log.push(entry),
    ...options,
  });
  workflows.register(definitions);
  await workflows.launch();
  const start: TestWorkflows['start'] = async (workflow, input = {}, more = {}) => {
    const request = { project: TEST_PROJECT, principal: testPrincipal, workflow, input: input as never, ...more };
    return (await records.transaction((tx) => workflows.start(tx, request))).id;
  };
  return { workflows, log, audit, start };
}
