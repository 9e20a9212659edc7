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

export interface SubjectCounts {
  readonly invocations: number;
  readonly outcomes: number;
}

export interface Erasure extends SubjectCounts {
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
  const total = { invocations: 0, outcomes: 0 };
  for (;;) {
    const pass = await withSubjectIds(deps, state, subject, async (found) => ({
      invocations: found.ids.length,
      outcomes: await eraseKind(deps, state, 'outcome', found, segments),
      rows: await eraseKind(deps, state, 'invocation', found, segments),
    }));
    if (!pass) return { ...total, segments: [...segments] };
    total.invocations += pass.invocations;
    total.outcomes += pass.outcomes;
  }
}

/** What {@link eraseSubject} would remove, up to {@link ERASURE_PASS_LIMIT} invocations with their outcomes. */
export async function countSubject(deps: ErasureDeps, state: ProjectState, subject: string): Promise<SubjectCounts> {
  const counts = await withSubjectIds(deps, state, subject, async (found) => {
    let outcomes = 0;
    for (const { rows } of await segmentsWith(deps, state, 'outcome', found)) outcomes += rows;
    return { invocations: found.ids.length, outcomes };
  });
  return counts ?? { invocations: 0, outcomes: 0 };
}

/** Ids of a subject's invocations, and the select that yields them. */
interface SubjectIds {
  readonly ids: readonly string[];
  readonly sql: string;
}

/** @returns undefined when the subject has no invocations. */
async function withSubjectIds<T>(
  deps: ErasureDeps,
  state: ProjectState,
  subject: string,
  work: (found: SubjectIds) => Promise<T>,
): Promise<T | undefined> {
  // An invocation that was pending has two lines.
  const ids = [...new Set(await deps.reader.subjectIds(state, subject, ERASURE_PASS_LIMIT))];
  if (ids.length === 0) return undefined;
  const list = await deps.objects.temporaryPath(state.id);
  try {
    await writeFile(list, ids.map((id) => `${id}\n`).join(''), { mode: 0o600 });
    return await work({ ids, sql: `(select id from read_csv(${literal(list)}, header = false, columns = {'id': 'VARCHAR'}))` });
  } finally {
    await rm(list, { force: true });
  }
}

async function eraseKind(
  deps: ErasureDeps,
  state: ProjectState,
  kind: SegmentKind,
  found: SubjectIds,
  rewritten: Set<string>,
): Promise<number> {
  let erased = 0;
  for (const { segment, rows } of await segmentsWith(deps, state, kind, found)) {
    await deps.archive.replace(state, [segment], { id: segment.id, reason: 'erased', where: `${KEY_COLUMN[kind]} not in ${found.sql}` });
    rewritten.add(segment.id);
    erased += rows;
  }
  return erased;
}

/** Stored segments that hold rows of these invocations, and how many. */
async function segmentsWith(
  deps: ErasureDeps,
  state: ProjectState,
  kind: SegmentKind,
  { ids, sql }: SubjectIds,
): Promise<{ readonly segment: StoredSegment; readonly rows: number }[]> {
  const holding: { segment: StoredSegment; rows: number }[] = [];
  for (const segment of await candidateSegments(deps, state, kind, ids)) {
    const [count] = await deps.archive.withRelation(kind, { stored: [segment], pending: [] }, (relation) =>
      deps.engine.query(`select count(*) as found from ${relation} r where ${KEY_COLUMN[kind]} in ${sql}`),
    );
    const rows = Number(count?.['found']);
    if (rows > 0) holding.push({ segment, rows });
  }
  return holding;
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
