import type { WorkflowContext } from '@slipway/kernel';
import { type Contract, type Row, toRfc3339 } from '@slipway/kernel';
import type { LaunchDefinition, LaunchRequest } from '../contract.ts';
import { LaunchRequest as RequestShape } from '../contract.ts';
import { RetrainDataError } from '../errors.ts';
import { ingestStep } from '../launch-steps.ts';
import type { AttemptFacts, RetrainPolicy } from './contract.ts';
import type { RetrainDeps, Origin } from './origin.ts';
import { HELD_BACK_ROWS_MIN, holdBackRatio } from './hold-back.ts';
import { listAttempts } from './retrain-store.ts';
import { retrainRollout } from './retrain-rollout.ts';
import { heldBackFrom, subjectColumn, trainingRows, widenContract } from './training-rows.ts';

/** Rows of the first launch that stay in, at most. */
export const ORIGINAL_ROWS_LIMIT = 200_000;
/** Attempts among which the last comparison is looked for. */
const ATTEMPTS_LOOKED_AT = 20;
const PAGE_ROWS = 1_000;
const DAY_MS = 86_400_000;

export interface Assembly {
  readonly request: LaunchRequest;
  readonly data: NonNullable<AttemptFacts['data']>;
}

export interface AssemblyRequest {
  readonly release: string;
  readonly policy: RetrainPolicy;
  readonly origin: Origin;
  readonly reason: string;
  /** Event time of the newest labelled call when the attempt began: what comes later is left for the next one. */
  readonly eventNowMs: number;
}

/**
 * Labelled calls in the order of their events as two files: what is learnt from, and the latest part that both versions are
 * judged by. Both become dataset versions here, in the step that read them, so that an erasure finds them from then on.
 * @throws {RetrainDataError} when there are too few rows.
 */
export async function assembleData(deps: RetrainDeps, context: WorkflowContext, asked: AssemblyRequest): Promise<Assembly> {
  const { policy, origin, release, eventNowMs } = asked;
  const { definition, champion } = origin;
  const { project } = context;
  const first = await originalDataset(deps, project, origin.dataset);
  const contract = await deps.data.loadContract(project, first.meta);
  const { days, rows: limit } = policy.data;
  const fromMs = days === undefined ? 0 : Math.max(0, eventNowMs - Math.round(days * DAY_MS));
  await context.progress({ phase: 'data', message: 'reading labelled calls' });
  const calls = await deps.telemetry.labelledRows(project, { release, fromMs, toMs: eventNowMs + 1, outcome: policy.outcome, limit });
  const { target, time } = definition;
  const subject = subjectColumn(definition, contract, calls);
  const { rows, eventTimesMs, leftOut } = await trainingRows(calls, contract, { target, time, subject });
  const before = (await listAttempts(deps.records.db, project, release, ATTEMPTS_LOOKED_AT)).map(({ facts }) => facts);
  const ratio = holdBackRatio({ policy, calls: rows.length, before, proven: origin.judged });
  const cut = heldBackFrom(eventTimesMs, ratio, origin.trainedToMs);
  const [train, heldBack] = [rows.slice(0, cut), rows.slice(cut)];
  requireRows(heldBack.length, train.length + (policy.data.original ? first.meta.rows : 0), leftOut);
  const original = policy.data.original ? originalRows(deps, project, first.meta) : noRows();
  const widened = widenContract(contract, rows, { target, subject });
  const at = (index: number) => toRfc3339(eventTimesMs[Math.min(index, eventTimesMs.length - 1)] as number);
  const request = RequestShape.parse({
    definition: retrainDefinition(definition, policy, { contract: widened, subject, task: origin.task }),
    data: { sha256: await store(deps, project, original, train), fileName: `${release}-calls.ndjson` },
    test: { sha256: await store(deps, project, noRows(), heldBack), fileName: `${release}-held-back.ndjson` },
    mode: 'always',
    retraining: {
      run: context.run,
      launch: origin.launch,
      reason: asked.reason.slice(0, 2_000),
      champion: champion.version,
      trainedToMs: eventTimesMs[Math.max(0, cut - 1)] ?? 0,
      parents: [
        { id: champion.version, role: 'answered-by' },
        ...(policy.data.original ? [{ id: first.version.id, role: 'original-data' }] : []),
      ],
    },
  });
  const { dataset } = await ingestStep(deps, context, request);
  const originalCount = policy.data.original ? Math.min(first.meta.rows, ORIGINAL_ROWS_LIMIT) : 0;
  const counts = { rows: train.length, heldBack: heldBack.length, leftOut, original: originalCount };
  return { request, data: { ...counts, from: at(0), heldBackFrom: at(cut), to: at(rows.length - 1), dataset } };
}

function requireRows(heldBack: number, train: number, leftOut: number): void {
  if (heldBack >= HELD_BACK_ROWS_MIN && train >= HELD_BACK_ROWS_MIN) return;
  throw new RetrainDataError(
    `There are ${train} rows to learn from and ${heldBack} to judge by that the live version has not learnt from; each needs ${HELD_BACK_ROWS_MIN}.`,
    {
      details: { train, heldBack, leftOut, minimum: HELD_BACK_ROWS_MIN },
      help: 'Send outcomes for more calls (POST /v1/outcomes), or widen "data" of the policy.',
    },
  );
}

/** The definition that was launched, for the rows at hand: everything that says how to learn and to judge stays as it was. */
function retrainDefinition(
  definition: LaunchDefinition,
  policy: RetrainPolicy,
  found: { readonly contract: Contract; readonly subject: string | undefined; readonly task: string },
): LaunchDefinition {
  const { retrain: _, as: __, ...rest } = definition;
  return {
    ...rest,
    as: {},
    read: { format: 'ndjson' },
    contract: found.contract,
    ...(found.subject === undefined ? {} : { subject: found.subject }),
    moreGates: [...(definition.moreGates ?? []), { kind: 'champion', margin: policy.margin, require: policy.require }],
    rollout: retrainRollout(policy, found.task),
  };
}

/** The dataset of the first launch, or what an erasure made of it. */
async function originalDataset(deps: RetrainDeps, project: string, id: string) {
  const ERASURES_LIMIT = 1_000;
  let current = id;
  for (let hop = 0; hop < ERASURES_LIMIT; hop += 1) {
    const version = await deps.catalog.get(project, current);
    if (version.retiredAtMs === null) return deps.data.dataset(project, current);
    const { edges } = await deps.catalog.lineage(project, current, 'down', { depthLimit: 1 });
    const next = edges.find((edge) => edge.parent === current && edge.role === 'erased-from');
    if (!next) break;
    current = next.child;
  }
  return deps.data.dataset(project, id);
}

async function* originalRows(
  deps: RetrainDeps,
  project: string,
  meta: Parameters<RetrainDeps['data']['readRows']>[1],
): AsyncGenerator<readonly Row[]> {
  for (let offset = 0; offset < Math.min(meta.rows, ORIGINAL_ROWS_LIMIT); offset += PAGE_ROWS)
    yield (await deps.data.readRows(project, meta, { offset, limit: PAGE_ROWS })).rows;
}

async function* noRows(): AsyncGenerator<readonly Row[]> {}

async function store(deps: RetrainDeps, project: string, before: AsyncIterable<readonly Row[]>, rows: readonly Row[]): Promise<string> {
  const encoder = new TextEncoder();
  const encode = (part: readonly Row[]) => encoder.encode(part.map((row) => `${JSON.stringify(row)}\n`).join(''));
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const part of before) yield encode(part);
    for (let start = 0; start < rows.length; start += PAGE_ROWS) yield encode(rows.slice(start, start + PAGE_ROWS));
  }
  return (await deps.objects.put(project, bytes())).sha256;
}
