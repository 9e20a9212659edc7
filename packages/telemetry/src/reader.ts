import { type Invocation, type Outcome, type Page, idTimeMs, invariant, isId, locateInvocation } from '@slipway/kernel';
import { ObjectNotFoundError } from '@slipway/objects';
import type { Records } from '@slipway/records';
import type { Archive } from './archive.ts';
import { ArmTallier, type ArmTallies, type ArmTallyQuery } from './arm-tallies.ts';
import type { Engine, EngineRow, EngineValue } from './engine.ts';
import { CursorInvalidError, InvocationNotFoundError, WindowTooLongError } from './errors.ts';
import {
  LABELLED_ROWS_LIMIT_MAX,
  LIST_BATCHES_LIMIT,
  OUTCOMES_SHOWN_LIMIT,
  OUTCOME_SEGMENTS_LIMIT,
  PAIRS_LIMIT_MAX,
  SEGMENTS_PER_STATEMENT_LIMIT,
} from './limits.ts';
import {
  type CallsQuery,
  type DecisionCount,
  type DecisionsQuery,
  type SampledCall,
  type SampleQuery,
  decisionValues,
  callValues,
  decisionsSql,
  sampleSql,
  toSampledCall,
} from './call-samples.ts';
import {
  type LabelledQuery,
  type LabelledRow,
  type LabelledRowsQuery,
  type LabelledSpan,
  addSpan,
  labelledRowsSql,
  labelledSpanSql,
  labelledValues,
  newestEventFirst,
  toLabelledRow,
} from './labelled-rows.ts';
import { type Pair, type PairsQuery, pairsSql, toPair } from './pair-rows.ts';
import { type SegmentKind, parseInvocation, parseOutcome } from './line.ts';
import type { ProjectState } from './project-state.ts';
import { KEY_COLUMN, toInvocation, toOutcome } from './relation.ts';
import { withoutDuplicates } from './resolve-outcomes.ts';
import type { SegmentFile } from './segment-file.ts';
import { type SegmentPoint, type StoredSegment, listSegments, locateSegments } from './segment-store.ts';

/** Which invocations; times are event times, from inclusive, to exclusive. */
export interface InvocationFilter {
  readonly release?: string | undefined;
  readonly revision?: number | undefined;
  readonly version?: string | undefined;
  readonly subject?: string | undefined;
  readonly unit?: string | undefined;
  readonly status?: Invocation['status'] | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

interface Batch {
  readonly stored: readonly StoredSegment[];
  readonly pending: readonly SegmentFile[];
  /** Latest id time that a later batch may hold; undefined when this is the last. */
  readonly restLastMs: number | undefined;
}

/** How one kind of line is read, wherever it lies. */
interface LineShape<T> {
  readonly kind: SegmentKind;
  readonly fromLine: (line: string) => T;
  readonly fromRow: (row: EngineRow) => T;
}

const INVOCATIONS: LineShape<Invocation> = { kind: 'invocation', fromLine: parseInvocation, fromRow: toInvocation };
const OUTCOMES: LineShape<Outcome> = { kind: 'outcome', fromLine: parseOutcome, fromRow: toOutcome };

export interface ReaderDeps {
  readonly records: Records;
  readonly archive: Archive;
  readonly engine: Engine;
}

const LABELLED = { labelledOnly: true };

/** Reads Parquet and open segments as one relation, under the project's shared lock. */
export class Reader {
  readonly #deps: ReaderDeps;

  constructor(deps: ReaderDeps) {
    this.#deps = deps;
  }

  /** One call and all that is known of it. @throws {InvocationNotFoundError} */
  get(state: ProjectState, id: string): Promise<{ invocation: Invocation; outcomes: Outcome[] }> {
    return this.#reading(state, async () => {
      const invocation = standingLine(await this.#find(state, INVOCATIONS, [id]));
      if (!invocation) throw new InvocationNotFoundError(id);
      const outcomes = await this.#find(state, OUTCOMES, [id]);
      return { invocation, outcomes: newestFirst(withoutDuplicates(outcomes)) };
    });
  }

  /** Which of these invocations the project has. */
  existing(state: ProjectState, ids: readonly string[]): Promise<Set<string>> {
    return this.#reading(state, async () => {
      const wanted = ids.filter((id) => isId('invocation', id));
      const found = new Set<string>();
      for (const segment of state.pending.values()) {
        if (segment.kind === 'invocation') for (const id of await segment.has(wanted)) found.add(id);
      }
      const rest = wanted.filter((id) => !found.has(id));
      const rows = await this.#queryStored(state, 'invocation', rest, (relation) => `select id from ${relation} r where id in ${ID_LIST}`);
      for (const row of rows) found.add(String(row['id']));
      return found;
    });
  }

  /** All outcomes of these invocations, deliveries of one key once. */
  outcomesOf(state: ProjectState, ids: readonly string[]): Promise<Outcome[]> {
    return this.#reading(state, async () => withoutDuplicates(await this.#find(state, OUTCOMES, ids)));
  }

  /** Invocations by id, the newest first; of one that was pending and ended, the end. */
  list(state: ProjectState, filter: InvocationFilter, page: { cursor?: string | undefined; limit: number }): Promise<Page<Invocation>> {
    const before = page.cursor === undefined ? undefined : readCursor(page.cursor);
    return this.#reading(state, async () => {
      const range = { fromEventMs: filter.fromMs, toEventMs: filter.toMs, toMs: before === undefined ? undefined : idTimeMs(before) };
      const limit = page.limit + 1;
      const found = await this.#newest(state, range, limit, (batch) => this.#listBatch(state, batch, filter, { before, limit }));
      const items = found.slice(0, page.limit).map(toInvocation);
      const last = items.at(-1);
      return { items, nextCursor: found.length > page.limit && last ? writeCursor(last.id) : null };
    });
  }

  /** Predictions of a window with the outcome that stands for each, the newest first; those without one are left out. */
  pairs(state: ProjectState, query: PairsQuery): Promise<Pair[]> {
    invariant(
      Number.isInteger(query.limit) && query.limit > 0 && query.limit <= PAIRS_LIMIT_MAX,
      `pairs are limited to ${PAIRS_LIMIT_MAX}`,
    );
    return this.#reading(state, async () => {
      const range = { fromEventMs: query.fromMs, toEventMs: query.toMs };
      const found = await this.#newest(state, range, query.limit, (batch) => this.#pairsOf(state, batch, query));
      return found.map(toPair);
    });
  }

  /** Calls of a release by arm, counted by unit in DuckDB: the cost for the event loop does not grow with traffic. */
  tallies(state: ProjectState, query: ArmTallyQuery): Promise<ArmTallies> {
    return this.#reading(state, async () => {
      const tallier = new ArmTallier(query);
      const { archive, engine } = this.#deps;
      for await (const batch of this.#batches(state, { fromMs: query.fromMs, toMs: query.toMs })) {
        const stored = query.outcomes.length === 0 ? [] : await this.#outcomeSegments(state, batch);
        const pending = query.outcomes.length === 0 ? [] : [...state.pending.values()];
        await archive.withRelation('invocation', batch, (invocations) =>
          archive.withRelation('outcome', { stored, pending }, (outcomes) =>
            tallier.add(invocations, outcomes, (sql, values) => engine.query(sql, values)),
          ),
        );
      }
      return tallier.result();
    });
  }

  /**
   * Recorded calls of a window, drawn by a hash of their ids: the same calls whenever it is asked, wherever their lines lie.
   */
  sample(state: ProjectState, query: SampleQuery): Promise<SampledCall[]> {
    return this.#reading(state, async () => {
      const kept: { hash: bigint; call: SampledCall }[] = [];
      for await (const batch of this.#boundedBatches(state, query)) {
        const rows = await this.#deps.archive.withRelation('invocation', batch, (relation) =>
          this.#deps.engine.query(sampleSql(relation, query), callValues(query)),
        );
        for (const row of rows) kept.push({ hash: BigInt(String(row['hash'])), call: toSampledCall(row) });
        kept.sort((left, right) => (left.hash < right.hash ? -1 : left.hash > right.hash ? 1 : 0)).splice(query.limit);
      }
      return kept.map(({ call }) => call);
    });
  }

  /** Counts of a window by the value of an input column, the answer, and the outcome that stands. */
  decisions(state: ProjectState, query: DecisionsQuery): Promise<DecisionCount[]> {
    return this.#reading(state, async () => {
      const counts = new Map<string, number>();
      for await (const batch of this.#boundedBatches(state, query)) {
        const rows = await this.#joined(state, batch, decisionValues(query), (invocations, outcomes) =>
          decisionsSql(invocations, outcomes, query),
        );
        for (const row of rows) {
          const key = JSON.stringify([row['group_text'], row['prediction'], row['outcome']]);
          counts.set(key, (counts.get(key) ?? 0) + Number(row['calls']));
        }
      }
      return [...counts].map(([key, count]) => {
        const [group, prediction, outcome] = JSON.parse(key) as [string, string, string | null];
        return { group, prediction, outcome, count };
      });
    });
  }

  /** Inputs of a window with the outcome that stands for each, in the order of their events: the newest `limit` of them. */
  labelledRows(state: ProjectState, query: LabelledRowsQuery): Promise<LabelledRow[]> {
    invariant(query.limit > 0 && query.limit <= LABELLED_ROWS_LIMIT_MAX, `labelled rows are limited to ${LABELLED_ROWS_LIMIT_MAX}`);
    return this.#reading(state, async () => {
      const kept: LabelledRow[] = [];
      for await (const batch of this.#boundedBatches(state, query)) {
        const read = (invocations: string, outcomes: string) => labelledRowsSql(invocations, outcomes, query.limit);
        const rows = await this.#joined(state, batch, labelledValues(query), read, LABELLED);
        for (const row of rows) kept.push(toLabelledRow(row));
        kept.sort(newestEventFirst).splice(query.limit);
      }
      return kept.toReversed();
    });
  }

  /** How many labelled calls a window holds, without reading what they hold. */
  labelledSpan(state: ProjectState, query: LabelledQuery): Promise<LabelledSpan> {
    return this.#reading(state, async () => {
      let span: LabelledSpan = { rows: 0, firstEventMs: null, lastEventMs: null };
      for await (const batch of this.#boundedBatches(state, query))
        span = addSpan(span, (await this.#joined(state, batch, labelledValues(query), labelledSpanSql, LABELLED))[0]);
      return span;
    });
  }

  /**
   * Runs a statement over a batch's invocations and all outcomes that may speak of them. Where only labelled calls count
   * and there is no outcome, nothing is read: the engine takes 50 ms of the event loop and 40 MB when it is first used.
   */
  async #joined(
    state: ProjectState,
    batch: Batch,
    values: readonly EngineValue[],
    statement: (invocations: string, outcomes: string) => string,
    { labelledOnly = false } = {},
  ): Promise<EngineRow[]> {
    const stored = await this.#outcomeSegments(state, batch);
    const pending = [...state.pending.values()];
    const hasOutcomes = stored.length > 0 || pending.some(({ kind, committedBytes }) => kind === 'outcome' && committedBytes > 0);
    if (labelledOnly && !hasOutcomes) return [];
    const { archive, engine } = this.#deps;
    return archive.withRelation('invocation', batch, (invocations) =>
      archive.withRelation('outcome', { stored, pending }, (outcomes) => engine.query(statement(invocations, outcomes), [...values])),
    );
  }

  async *#boundedBatches(state: ProjectState, query: Pick<CallsQuery, 'fromMs' | 'toMs'>): AsyncGenerator<Batch> {
    let batches = 0;
    for await (const batch of this.#batches(state, { fromEventMs: query.fromMs, toEventMs: query.toMs })) {
      batches += 1;
      if (batches > LIST_BATCHES_LIMIT) {
        throw new WindowTooLongError(`The window's calls lie in more than ${LIST_BATCHES_LIMIT * SEGMENTS_PER_STATEMENT_LIMIT} segments.`, {
          details: { limit: LIST_BATCHES_LIMIT * SEGMENTS_PER_STATEMENT_LIMIT },
          help: 'Ask for a shorter window.',
        });
      }
      yield batch;
    }
  }

  /** Ids of a subject's invocations that are Parquet, with the segments that hold them; at most `limit` ids. */
  subjectIds(state: ProjectState, subject: string, limit: number): Promise<string[]> {
    return this.#reading(state, async () => {
      const ids: string[] = [];
      for await (const batch of this.#batches(state, {})) {
        const rows = await this.#deps.archive.withRelation('invocation', { ...batch, pending: [] }, (relation) =>
          this.#deps.engine.query(`select id from ${relation} r where subject = $1 limit ${limit - ids.length}`, [subject]),
        );
        for (const row of rows) ids.push(String(row['id']));
        if (ids.length >= limit) break;
      }
      return ids;
    });
  }

  async #listBatch(
    state: ProjectState,
    batch: Batch,
    filter: InvocationFilter,
    page: { before: string | undefined; limit: number },
  ): Promise<EngineRow[]> {
    return this.#deps.archive.withRelation('invocation', batch, async (relation) => {
      const kept: EngineRow[] = [];
      let { before } = page;
      for (;;) {
        const { where, values } = filterSql(filter, before);
        const order = `order by id desc, status = 'pending'`;
        const rows = await this.#deps.engine.query(`select * from ${relation} r where ${where} ${order} limit ${page.limit}`, values);
        const pending = rows.filter((row) => row['status'] === 'pending').map(idOf);
        const ended = pending.length === 0 ? new Set<string>() : await this.#endedOf(state, pending);
        for (const row of rows) if (row['status'] !== 'pending' || !ended.has(idOf(row))) kept.push(row);
        const last = rows.at(-1);
        if (rows.length < page.limit || kept.length >= page.limit || !last) return kept;
        before = idOf(last);
      }
    });
  }

  /** Which of these pending invocations have a later line that says how they ended. */
  async #endedOf(state: ProjectState, ids: readonly string[]): Promise<Set<string>> {
    const lines = await this.#find(state, INVOCATIONS, ids);
    return new Set(lines.filter((line) => line.status !== 'pending').map((line) => line.id));
  }

  #pairsOf(state: ProjectState, batch: Batch, query: PairsQuery): Promise<EngineRow[]> {
    const revision = query.revision === undefined ? [] : [query.revision];
    const values = [query.release, BigInt(query.fromMs), BigInt(query.toMs), query.outcome, ...revision];
    return this.#joined(state, batch, values, (invocations, outcomes) => pairsSql(invocations, outcomes, query), LABELLED);
  }

  /** Stored outcome segments that may speak of a batch's invocations. */
  async #outcomeSegments(state: ProjectState, batch: Batch): Promise<StoredSegment[]> {
    const open = await Promise.all(batch.pending.map((segment) => segment.earliestId()));
    const starts = [...batch.stored.map((segment) => segment.firstMs), ...open.filter((id) => id !== undefined).map(idTimeMs)];
    if (starts.length === 0) return [];
    const toMs = batch.pending.length > 0 ? undefined : Math.max(...batch.stored.map((segment) => segment.lastMs));
    const range = { project: state.id, kind: 'outcome' as const, fromMs: Math.min(...starts), toMs };
    const found = await listSegments(this.#deps.records.db, range, { limit: OUTCOME_SEGMENTS_LIMIT + 1 });
    if (found.length > OUTCOME_SEGMENTS_LIMIT) {
      throw new WindowTooLongError(`The window's outcomes lie in more than ${OUTCOME_SEGMENTS_LIMIT} segments.`, {
        details: { limit: OUTCOME_SEGMENTS_LIMIT },
        help: 'Ask for a shorter window; small segments are joined in the background.',
      });
    }
    return found;
  }

  /** Rows of the newest batches until `limit` are certain to be the newest of all. */
  async #newest(
    state: ProjectState,
    range: { fromEventMs?: number | undefined; toEventMs?: number | undefined; toMs?: number | undefined },
    limit: number,
    query: (batch: Batch) => Promise<EngineRow[]>,
  ): Promise<EngineRow[]> {
    let rows: EngineRow[] = [];
    let batches = 0;
    for await (const batch of this.#batches(state, range)) {
      rows = [...rows, ...(await query(batch))].toSorted((left, right) => (idOf(left) < idOf(right) ? 1 : -1)).slice(0, limit);
      batches += 1;
      const last = rows[limit - 1];
      if (last && (batch.restLastMs === undefined || batch.restLastMs < idTimeMs(idOf(last)))) break;
      if (batches >= LIST_BATCHES_LIMIT) {
        throw new WindowTooLongError(`More than ${LIST_BATCHES_LIMIT * SEGMENTS_PER_STATEMENT_LIMIT} segments would have to be searched.`, {
          details: { limit: LIST_BATCHES_LIMIT * SEGMENTS_PER_STATEMENT_LIMIT },
          help: 'Narrow the search with from and to.',
        });
      }
    }
    return rows;
  }

  /** Segments in statements' worth, the latest first; what is not Parquet yet comes with the first. */
  async *#batches(
    state: ProjectState,
    range: {
      fromMs?: number | undefined;
      fromEventMs?: number | undefined;
      toEventMs?: number | undefined;
      toMs?: number | undefined;
    },
  ): AsyncGenerator<Batch> {
    let after: StoredSegment | undefined;
    let pending = [...state.pending.values()].filter((segment) => segment.kind === 'invocation' && segment.committedBytes > 0);
    for (;;) {
      const limit = SEGMENTS_PER_STATEMENT_LIMIT;
      const found = await listSegments(
        this.#deps.records.db,
        { project: state.id, kind: 'invocation', ...range },
        { after, limit: limit + 1 },
      );
      const stored = found.slice(0, limit);
      if (stored.length + pending.length === 0) return;
      yield { stored, pending, restLastMs: found[limit]?.lastMs };
      if (found.length <= limit) return;
      after = stored.at(-1);
      pending = [];
    }
  }

  /** Lines about these invocations from everywhere, parsed. */
  async #find<T>(state: ProjectState, shape: LineShape<T>, ids: readonly string[]): Promise<T[]> {
    const { kind } = shape;
    const found: T[] = [];
    const seen = new Set<string>();
    for (const segment of state.pending.values()) {
      if (segment.kind !== kind) continue;
      for (const [id, lines] of await segment.find(ids)) {
        seen.add(id);
        for (const line of lines) found.push(shape.fromLine(line));
      }
    }
    const rest = kind === 'invocation' ? ids.filter((id) => !seen.has(id)) : ids;
    const rows = await this.#queryStored(
      state,
      kind,
      rest,
      (relation) => `select * from ${relation} r where ${KEY_COLUMN[kind]} in ${ID_LIST}`,
    );
    for (const row of rows) found.push(shape.fromRow(row));
    return found;
  }

  /** Runs a statement over the stored segments that may hold lines about these invocations. */
  async #queryStored(
    state: ProjectState,
    kind: SegmentKind,
    ids: readonly string[],
    statement: (relation: string) => string,
  ): Promise<EngineRow[]> {
    const points = ids.map(locateInvocation).filter((point): point is SegmentPoint => point !== undefined);
    if (points.length === 0) return [];
    const segments = await locateSegments(this.#deps.records.db, state.id, kind, points);
    const rows: EngineRow[] = [];
    for (let start = 0; start < segments.length; start += SEGMENTS_PER_STATEMENT_LIMIT) {
      const stored = segments.slice(start, start + SEGMENTS_PER_STATEMENT_LIMIT);
      const part = await this.#deps.archive.withRelation(kind, { stored, pending: [] }, (relation) =>
        this.#deps.engine.query(statement(relation), [JSON.stringify(ids)]),
      );
      rows.push(...part);
    }
    return rows;
  }

  /** Another replica may replace an object between the catalogue and its bytes; the second look finds the new one. */
  #reading<T>(state: ProjectState, work: () => Promise<T>): Promise<T> {
    return state.lock.shared(async () => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ObjectNotFoundError)) throw error;
        return work();
      }
    });
  }
}

const ID_LIST = `(select unnest(from_json($1, '["VARCHAR"]')))`;

const idOf = (row: EngineRow): string => String(row['id']);

/** Of several lines of one invocation the end stands before the pending one, the later before the earlier. */
function standingLine(lines: readonly Invocation[]): Invocation | undefined {
  return lines.toSorted((left, right) => {
    return Number(left.status === 'pending') - Number(right.status === 'pending') || right.observedTimeMs - left.observedTimeMs;
  })[0];
}

function newestFirst(outcomes: readonly Outcome[]): Outcome[] {
  return outcomes.toSorted((left, right) => right.observedTimeMs - left.observedTimeMs).slice(0, OUTCOMES_SHOWN_LIMIT);
}

function filterSql(filter: InvocationFilter, before: string | undefined): { where: string; values: EngineValue[] } {
  const conditions: string[] = [];
  const values: EngineValue[] = [];
  const add = (condition: string, value: EngineValue | undefined): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(`${condition} $${values.length}`);
  };
  for (const name of ['release', 'revision', 'version', 'subject', 'unit', 'status'] as const) add(`"${name}" =`, filter[name]);
  add('"eventTimeMs" >=', toBigInt(filter.fromMs));
  add('"eventTimeMs" <', toBigInt(filter.toMs));
  add('id <', before);
  return { where: conditions.length === 0 ? 'true' : conditions.join(' and '), values };
}

function toBigInt(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

function writeCursor(id: string): string {
  return Buffer.from(id).toString('base64url');
}

function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!isId('invocation', id)) {
    throw new CursorInvalidError('The cursor is not one that this list gave out.', {
      details: { field: 'cursor' },
      help: 'Pass nextCursor of the page before, unchanged.',
    });
  }
  return id;
}
