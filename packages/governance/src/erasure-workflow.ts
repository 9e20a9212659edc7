import type { Audit } from '@slipway/audit';
import type { Catalog } from '@slipway/catalog';
import { type Data, metaOf } from '@slipway/data';
import { type Clock, type Json, type WorkflowContext, type WorkflowDefinition, defineWorkflow } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import type { Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import type { Telemetry } from '@slipway/telemetry';
import { doneOnce } from '@slipway/workflows';
import { z } from 'zod';
import { AffectedVersion, ErasedDataset } from './contract.ts';
import { ErasureNotFoundError } from './errors.ts';
import { ErasureFacts, findErasure, finishErasure } from './erasure-store.ts';

export const ERASURE_WORKFLOW = 'governance.erase';
/** Dataset versions read in one page. */
const PAGE = 200;

export interface ErasureDeps {
  readonly records: Records;
  readonly objects: Objects;
  readonly audit: Audit;
  readonly catalog: Catalog;
  readonly data: Data;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

const Replaced = z.object({ dataset: ErasedDataset, obsolete: z.array(z.string()), sources: z.int(), affected: z.array(AffectedVersion) });
const DatasetsDone = z.object({ datasets: z.array(ErasedDataset), sources: z.int(), affected: z.array(AffectedVersion) });
const CallsDone = z.object({ invocations: z.int(), outcomes: z.int() });

/**
 * Removes one person: dataset rows (a new version without them, the old one a tombstone, its files deleted), calls,
 * outcomes, and payloads of the audit log. The run's input names the erasure, not the person. Every step may run twice.
 */
export function erasureWorkflow(deps: ErasureDeps): WorkflowDefinition {
  return defineWorkflow({
    name: ERASURE_WORKFLOW,
    version: 1,
    input: z.strictObject({ erasure: z.string() }),
    queue: 'governance',
    async run(context, { erasure }) {
      const { project } = context;
      const row = await findErasure(deps.records.db, project, erasure);
      if (!row) throw new ErasureNotFoundError(erasure);
      if (row.completed_at_ms !== null || row.subject === null) return { erasure };
      const { subject } = row;
      await context.progress({ phase: 'datasets' });
      const datasets = await eraseDatasets(deps, context, subject);
      await context.progress({ phase: 'calls' });
      const calls = CallsDone.parse(await context.step('calls', () => eraseCalls(deps, context, subject)));
      await context.step('receipt', () => writeReceipt(deps, context, { erasure, subject, datasets, calls }));
      await context.progress({ phase: 'done', ratio: 1 });
      return { erasure };
    },
  });
}

/** What is there is counted before anything goes: an erasure that was interrupted finds less. */
async function eraseCalls({ records, telemetry }: ErasureDeps, { project, run }: WorkflowContext, subject: string): Promise<Json> {
  const counted = await telemetry.countSubject(project, subject);
  const found = await records.transaction((tx) => doneOnce(tx, run, 'calls counted', async () => ({ ...counted })));
  const erased = await telemetry.eraseSubject(project, subject);
  return { invocations: Math.max(found.invocations, erased.invocations), outcomes: Math.max(found.outcomes, erased.outcomes) };
}

/**
 * One dataset at a time, in two steps each: the version without the rows is registered before the old one is retired and
 * its files deleted, so a run killed anywhere in between still knows what is left to delete.
 */
async function eraseDatasets(deps: ErasureDeps, context: WorkflowContext, subject: string): Promise<z.infer<typeof DatasetsDone>> {
  const { project } = context;
  const candidates = z.array(z.string()).parse(await context.step('find', () => findDatasets(deps.catalog, project)));
  const datasets: z.infer<typeof ErasedDataset>[] = [];
  const affected = new Map<string, z.infer<typeof AffectedVersion>>();
  let sources = 0;
  for (const id of candidates) {
    const replaced = Replaced.nullable().parse(await context.step(`rows ${id}`, () => replaceDataset(deps, context, id, subject)));
    if (!replaced) continue;
    await context.step(`delete ${id}`, () => deleteReplaced(deps, context, id, replaced.obsolete));
    datasets.push(replaced.dataset);
    sources += replaced.sources;
    for (const version of replaced.affected) affected.set(version.id, version);
  }
  return { datasets, sources, affected: [...affected.values()] };
}

async function findDatasets(catalog: Catalog, project: string): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await catalog.list(project, { kind: 'dataset', limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    for (const version of page.items) if (version.retiredAtMs === null && metaOf(version)?.subjectColumn) found.push(version.id);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

async function replaceDataset(
  deps: ErasureDeps,
  context: WorkflowContext,
  id: string,
  subject: string,
): Promise<z.infer<typeof Replaced> | null> {
  const { project, principal, run } = context;
  const version = await deps.catalog.get(project, id);
  const meta = metaOf(version);
  if (!meta) return null;
  const erased = await deps.data.eraseSubjectRows({ project, meta, subject, signal: context.signal });
  if (erased.removed === 0) return null;
  const { version: replacement } = await deps.records.transaction((tx) =>
    deps.catalog.register(tx, {
      project,
      kind: 'dataset',
      name: version.name,
      recipe: hashJson({ kind: 'slipway.erased/1', from: id, rows: erased.meta.rowsHash }),
      content: erased.meta.rowsHash,
      run,
      principal: principal.id,
      meta: erased.meta as unknown as Json,
      parents: [{ id, role: 'erased-from' }],
    }),
  );
  const { nodes } = await deps.catalog.lineage(project, id, 'down');
  const affected = nodes
    .filter((node) => node.kind === 'model')
    .map((node) => ({ id: node.id, kind: node.kind, name: node.name, number: node.number }));
  const dataset = { name: version.name, from: id, to: replacement.id, rows: erased.removed };
  return { dataset, obsolete: [...erased.obsolete], sources: meta.reading ? 1 : 0, affected };
}

async function deleteReplaced(deps: ErasureDeps, context: WorkflowContext, id: string, obsolete: readonly string[]): Promise<void> {
  const { project, principal } = context;
  await deps.records.transaction((tx) => deps.catalog.retire(tx, project, id, 'rows of a person were erased', principal.id));
  for (const sha256 of obsolete) await deps.objects.delete(project, sha256);
}

async function writeReceipt(
  deps: ErasureDeps,
  context: WorkflowContext,
  done: { erasure: string; subject: string; datasets: z.infer<typeof DatasetsDone>; calls: z.infer<typeof CallsDone> },
): Promise<Json> {
  const { project, principal, run } = context;
  return deps.records.transaction((tx) =>
    doneOnce(tx, run, 'receipt', async () => {
      const auditPayloads = await deps.audit.erasePayloads(tx, project, done.subject);
      const rows = done.datasets.datasets.reduce((sum, dataset) => sum + dataset.rows, 0);
      const facts: ErasureFacts = { ...done.datasets, ...done.calls, rows, auditPayloads };
      await finishErasure(tx, project, done.erasure, facts, deps.clock.nowMs());
      await deps.audit.append(tx, project, {
        type: 'governance.subject.erased',
        principal: principal.id,
        subject: { kind: 'erasure', id: done.erasure },
        data: facts as unknown as Json,
      });
      return null;
    }),
  );
}
