import { readFile } from 'node:fs/promises';
import { auditSchema, createAudit, type Audit } from '@slipway/audit';
import { createIds, systemClock, type Capability, type Principal, type WorkflowDefinition } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { migrate, openRecords, type Records } from '@slipway/records';
import { copyTestStore } from '@slipway/records/testing';
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

const LOCK_FILE = new URL('../../../../package-lock.json', import.meta.url);

/**
 * Fills a folder with an embedded store that has the tables of the capabilities and of the workflow engine, and nothing in
 * them: what a first start makes in five seconds of processor time.
 */
export async function copyWorkflowStore(
  directory: string,
  capabilities: readonly Pick<Capability, 'name' | 'migrations'>[],
): Promise<void> {
  const migrations = capabilities.map(({ name, migrations: list }) => [name, list]);
  // The lock file stands for the versions of the database and of the workflow engine, which make tables of their own.
  const key = sha256Hex(`${await readFile(LOCK_FILE, 'utf8')}${JSON.stringify(migrations)}`).slice(0, 16);
  await copyTestStore(directory, key, async (template) => {
    const records = await openRecords({ kind: 'embedded', directory: template });
    await migrate(records, capabilities);
    const { workflows } = await launchTestWorkflows(records, []);
    await workflows.shutdown();
    await records.close();
  });
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
