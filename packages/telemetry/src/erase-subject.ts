import { rm, writeFile } from 'node:fs/promises';
import { locateInvocation } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import type { Archive } from './archive.ts';
import { type Engine, literal } from './engine.ts';
import { ERASURE_PASS_LIMIT } from './limits.ts';
import type { SegmentKind } from './line.ts';
import type { ProjectState } from './project-state.ts';
import type { Reader } from './reader.ts';
import { KEY_COLUMN } from './relation.ts';
import { type SegmentPoint, type StoredSegment, locateSegments } from './segment-store.ts';

export interface ErasureDeps {
  readonly records: Records;
  readonly objects: Objects;
  readonly engine: Engine;
  readonly archive: Archive;
  readonly reader: Reader;
}

export interface Erasure {
  readonly invocations: number;
  readonly outcomes: number;
  /** Segments that were rewritten. */
  readonly segments: readonly string[];
}

const POINTS_PER_QUERY = 10_000;

/**
 * Rewrites every stored segment that holds a subject's invocations or their outcomes. Outcomes go first: until the
 * invocations are gone as well, a later run finds them again and finishes what an interrupted one began.
 * The caller has turned the open segments into Parquet and keeps others from changing segments meanwhile.
 */
export async function eraseSubject(deps: ErasureDeps, state: ProjectState, subject: string): Promise<Erasure> {
  const segments = new Set<string>();
  let invocations = 0;
  let outcomes = 0;
  for (;;) {
    // An invocation that was pending has two lines.
    const ids = [...new Set(await deps.reader.subjectIds(state, subject, ERASURE_PASS_LIMIT))];
    if (ids.length === 0) return { invocations, outcomes, segments: [...segments] };
    const list = await deps.objects.temporaryPath(state.id);
    try {
      await writeFile(list, ids.map((id) => `${id}\n`).join(''), { mode: 0o600 });
      outcomes += await eraseKind(deps, state, 'outcome', { ids, list, segments });
      await eraseKind(deps, state, 'invocation', { ids, list, segments });
      invocations += ids.length;
    } finally {
      await rm(list, { force: true });
    }
  }
}

async function eraseKind(
  deps: ErasureDeps,
  state: ProjectState,
  kind: SegmentKind,
  erased: { readonly ids: readonly string[]; readonly list: string; readonly segments: Set<string> },
): Promise<number> {
  const idsSql = `(select id from read_csv(${literal(erased.list)}, header = false, columns = {'id': 'VARCHAR'}))`;
  const key = KEY_COLUMN[kind];
  let rows = 0;
  for (const segment of await candidateSegments(deps, state, kind, erased.ids)) {
    const [count] = await deps.archive.withRelation(kind, { stored: [segment], pending: [] }, (relation) =>
      deps.engine.query(`select count(*) as found from ${relation} r where ${key} in ${idsSql}`),
    );
    const found = Number(count?.['found']);
    if (found === 0) continue;
    await deps.archive.replace(state, [segment], { id: segment.id, reason: 'erased', where: `${key} not in ${idsSql}` });
    erased.segments.add(segment.id);
    rows += found;
  }
  return rows;
}

async function candidateSegments(
  deps: ErasureDeps,
  state: ProjectState,
  kind: SegmentKind,
  ids: readonly string[],
): Promise<StoredSegment[]> {
  const found = new Map<string, StoredSegment>();
  for (let start = 0; start < ids.length; start += POINTS_PER_QUERY) {
    const points = ids
      .slice(start, start + POINTS_PER_QUERY)
      .map(locateInvocation)
      .filter((point): point is SegmentPoint => point !== undefined);
    for (const segment of await locateSegments(deps.records.db, state.id, kind, points)) found.set(segment.id, segment);
  }
  return [...found.values()];
}
