import type { Audit, AuditEntry } from '@slipway/audit';
import { createIds, systemClock, type Principal, type WorkflowDefinition } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { workflowsSchema } from '../capability.ts';
import type { LogEntry } from '../log.ts';
import { createWorkflows, type Workflows, type WorkflowsDeps } from '../workflows.ts';

export { workflowsSchema };

export const TEST_PROJECT = 'prj_test';

export const testPrincipal: Principal = { id: 'prn_test', project: TEST_PROJECT, role: 'admin', instance: false, label: 'test' };

/** An audit log in a table of its own, so that what a rollback undoes is seen; without the chain. */
export function fakeAudit(): Pick<Audit, 'append'> & { readonly appended: { project: string; entry: AuditEntry }[] } {
  const appended: { project: string; entry: AuditEntry }[] = [];
  return {
    appended,
    async append(_tx, project, entry) {
      appended.push({ project, entry });
      return { seq: appended.length, id: `evt_${appended.length}` };
    },
  };
}

export interface TestWorkflows {
  readonly workflows: Workflows;
  readonly log: LogEntry[];
  readonly audit: ReturnType<typeof fakeAudit>;
  /** Starts a run in a transaction of its own. */
  start(workflow: string, input?: unknown, more?: Partial<Parameters<Workflows['start']>[1]>): Promise<string>;
}

/** Workflows with these definitions, launched on the store. */
export async function launchTestWorkflows(
  records: Records,
  definitions: readonly WorkflowDefinition[],
  options: Partial<Pick<WorkflowsDeps, 'executorId' | 'leaseMs' | 'queues' | 'audit'>> = {},
): Promise<TestWorkflows> {
  const log: LogEntry[] = [];
  const audit = fakeAudit();
  const workflows = createWorkflows({
    records,
    // Only `append` is used by this workspace.
    audit: audit as unknown as Audit,
    clock: systemClock,
    ids: createIds(systemClock),
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
