import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Contract,
  InvalidError,
  type Invocation,
  Name,
  REPLICA_LIMIT,
  createIds,
  idTimeMs,
  isId,
  locateInvocation,
  type Page,
  type Outcome,
} from '@slipway/kernel';
import type { FieldSketch } from '@slipway/statistics';
import { Archive } from './archive.ts';
import { type ArmTallies, type ArmTallyQuery, SHADOW_ARM } from './arm-tallies.ts';
import { CallMetrics } from './call-metrics.ts';
import type { DecisionCount, DecisionsQuery, SampledCall, SampleQuery } from './call-samples.ts';
import type { OutcomeInput, OutcomesReply } from './contract.ts';
import { Engine } from './engine.ts';
import { type Erasure, type ErasureDeps, type SubjectCounts, countSubject, eraseSubject } from './erase-subject.ts';
import { LineTooLongError } from './errors.ts';
import {
  HOUSEKEEPING_EVERY_MS,
  LINE_LIMIT_CHARACTERS,
  MERGE_SEGMENTS_LIMIT,
  MERGE_SMALL_BYTES,
  SAMPLE_LIMIT_MAX,
  SEGMENT_LIMIT_AGE_MS,
} from './limits.ts';
import { invocationLine, isWholeLine, parseInvocation } from './line.ts';
import type { LabelledQuery, LabelledRow, LabelledRowsQuery, LabelledSpan } from './labelled-rows.ts';
import { MetricsRegistry } from './metrics-registry.ts';
import { appendOutcomes } from './outcome-service.ts';
import { registerProcessMetrics } from './process-metrics.ts';
import { Mutex } from './project-lock.ts';
import { type ProjectState, createProjectState } from './project-state.ts';
import type { Pair, PairsQuery } from './pair-rows.ts';
import { type InvocationFilter, Reader } from './reader.ts';
import { SegmentFile } from './segment-file.ts';
import { findWatched, listProgress, listSmallSegments, saveWatched, storedSegmentIds } from './segment-store.ts';
import { SegmentWriter, type WrittenBatch, parseSegmentFileName } from './segment-writer.ts';
import { LEVEL_MS } from './sketch-store.ts';
import { rollUpSketches } from './sketch-roll-up.ts';
import { watchedInputs } from './sketch-values.ts';
import type { AppendOptions, SketchQuery, Telemetry, TelemetryOptions } from './telemetry.ts';

/** Opens the telemetry of this replica: takes over what an earlier process left, counts it once, and appends from there. */
export async function openTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  if (!Number.isInteger(options.replica) || options.replica < 0 || options.replica >= REPLICA_LIMIT) {
    throw new InvalidError(`The replica must be an integer from 0 to ${REPLICA_LIMIT - 1}, not ${options.replica}.`);
  }
  const telemetry = new SegmentTelemetry(options);
  await telemetry.open();
  return telemetry;
}

/** Null for an outcome's line: outcomes are in no sketch. */
type Item = Invocation | null;

class SegmentTelemetry implements Telemetry {
  readonly metrics = new MetricsRegistry();
  readonly #options: TelemetryOptions;
  readonly #segments: string;
  readonly #states = new Map<string, ProjectState>();
  readonly #engine: Engine;
  readonly #archive: Archive;
  readonly #reader: Reader;
  readonly #writer: SegmentWriter<Item>;
  readonly #counts: CallMetrics;
  #backlogBytes = 0;
  readonly #ids;
  readonly #stopProcessMetrics: () => void;
  /** Held by whatever changes stored segments: storing, joining, erasing, sweeping. */
  readonly #changing = new Mutex();
  #replayed: Promise<void> = Promise.resolve();
  #lastSavedMinute = -1;
  #lastHousekeepingMs = Number.NEGATIVE_INFINITY;
  #storing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: TelemetryOptions) {
    const { directory, records, objects, audit, clock, replica } = options;
    this.#options = options;
    this.#segments = join(directory, 'segments');
    this.#ids = createIds(clock);
    this.#engine = new Engine(join(directory, 'engine'));
    this.#archive = new Archive({
      directory,
      records,
      objects,
      audit,
      clock,
      replica,
      engine: this.#engine,
      onProblem: (error) => this.#report(error),
    });
    this.#reader = new Reader({ records, archive: this.#archive, engine: this.#engine });
    this.#counts = new CallMetrics(this.metrics);
    this.#stopProcessMetrics = registerProcessMetrics(this.metrics);
    this.metrics.onRender(() => {
      // Calls are counted in the turn after their answers: a scrape must not come between.
      this.#writer.deliverWritten();
      this.#measurePending();
    });
    this.#writer = new SegmentWriter<Item>({
      directory: this.#segments,
      replica,
      durability: options.durability ?? 'process',
      clock,
      ids: this.#ids,
      ...(options.segmentLimitBytes === undefined ? {} : { segmentLimitBytes: options.segmentLimitBytes }),
      ...(options.segmentLimitAgeMs === undefined ? {} : { segmentLimitAgeMs: options.segmentLimitAgeMs }),
      onWritten: (batch) => this.#onWritten(batch),
      onSegmentOpened: (segment) => void this.#state(segment.project).pending.set(segment.id, segment),
      onSegmentClosed: () => void this.#storeClosed().catch(() => {}),
      onFailure: () => this.#counts.writeFailures.add(),
    });
  }

  async open(): Promise<void> {
    await this.#archive.open();
    const files = await this.#leftFiles();
    const { records, replica } = this.#options;
    const stored = await storedSegmentIds(
      records.db,
      files.map((file) => file.id),
    );
    const progress = await listProgress(records.db, replica);
    const unread: SegmentFile[] = [];
    for (const file of files) {
      if (stored.has(file.id)) {
        // It became Parquet, and the process died before the lines were deleted.
        await rm(file.path, { force: true });
        continue;
      }
      const segment = SegmentFile.recover(file);
      segment.observedBytes = Math.min(progress.get(file.id) ?? 0, segment.committedBytes);
      this.#adopt(segment, unread);
    }
    this.#replayed = this.#replay(unread);
    this.#replayed.catch(() => {});
    if (unread.length > 0) void this.#storeClosed().catch(() => {});
  }

  append(invocation: Invocation, options: AppendOptions = {}): Promise<void> {
    const { policy = 'full', inputJson, outputJson } = options;
    if (policy === 'none') {
      this.#counts.unrecorded({ project: invocation.project, release: invocation.release }).add();
      return Promise.resolve();
    }
    const line = policy === 'full' ? invocationLine(invocation, inputJson, outputJson) : invocationLine(invocation, 'null', 'null');
    const refusal = refuseInvocation(invocation, line);
    if (refusal) return Promise.reject(refusal);
    return this.#writer.append(invocation.project, 'invocation', line, invocation);
  }

  async describe(project: string, version: string, contract: Contract): Promise<void> {
    const watched = watchedInputs(contract);
    this.#state(project).watched.set(version, watched);
    await saveWatched(
      this.#options.records.db,
      project,
      version,
      watched.map(({ field }) => field),
    );
  }

  async appendOutcomes(project: string, outcomes: readonly OutcomeInput[]): Promise<OutcomesReply> {
    const write = async (id: string, lines: readonly string[]): Promise<void> => {
      await Promise.all(lines.map((line) => this.#writer.append(id, 'outcome', line, null)));
    };
    const { clock, replica, elsewhereAgeMs = 0 } = this.#options;
    const mayBeElsewhere = (id: string) => {
      const place = locateInvocation(id);
      return place !== undefined && place.replica !== replica && Math.abs(clock.nowMs() - place.timeMs) < elsewhereAgeMs;
    };
    const deps = { clock, ids: this.#ids, reader: this.#reader, write, mayBeElsewhere };
    const reply = await appendOutcomes(deps, this.#state(project), outcomes);
    this.#counts.outcomes({ project, result: 'accepted' }).add(reply.accepted);
    this.#counts.outcomes({ project, result: 'duplicate' }).add(reply.duplicates);
    this.#counts.outcomes({ project, result: 'refused' }).add(reply.problems.length);
    return reply;
  }

  async getInvocation(project: string, id: string): Promise<{ invocation: Invocation; outcomes: Outcome[] }> {
    return this.#reader.get(this.#state(project), id);
  }

  async listInvocations(
    project: string,
    { cursor, limit, ...filter }: InvocationFilter & { readonly cursor?: string | undefined; readonly limit: number },
  ): Promise<Page<Invocation>> {
    return this.#reader.list(this.#state(project), filter, { cursor, limit });
  }

  async sketches(project: string, query: SketchQuery): Promise<Map<string, FieldSketch>> {
    await this.#replayed;
    this.#writer.deliverWritten();
    return this.#state(project).recorder.read({ project, ...query });
  }

  async sample(project: string, query: SampleQuery): Promise<SampledCall[]> {
    return this.#reader.sample(this.#state(project), { ...query, limit: Math.min(query.limit, SAMPLE_LIMIT_MAX) });
  }

  async labelledRows(project: string, query: LabelledRowsQuery): Promise<LabelledRow[]> {
    return this.#reader.labelledRows(this.#state(project), query);
  }

  async labelledSpan(project: string, query: LabelledQuery): Promise<LabelledSpan> {
    return this.#reader.labelledSpan(this.#state(project), query);
  }

  async decisions(project: string, query: DecisionsQuery): Promise<DecisionCount[]> {
    return this.#reader.decisions(this.#state(project), query);
  }

  async pairs(project: string, query: PairsQuery): Promise<Pair[]> {
    return this.#reader.pairs(this.#state(project), query);
  }

  async tallies(project: string, query: ArmTallyQuery): Promise<ArmTallies> {
    return this.#reader.tallies(this.#state(project), query);
  }

  countSubject(project: string, subject: string): Promise<SubjectCounts> {
    return this.#withStored(project, (deps, state) => countSubject(deps, state, subject));
  }

  eraseSubject(project: string, subject: string): Promise<Erasure> {
    return this.#withStored(project, (deps, state) => eraseSubject(deps, state, subject));
  }

  /** Works on the project's segments when all are Parquet; nobody else changes them meanwhile. */
  async #withStored<T>(project: string, work: (deps: ErasureDeps, state: ProjectState) => Promise<T>): Promise<T> {
    const state = this.#state(project);
    const { records, objects } = this.#options;
    const deps = { records, objects, engine: this.#engine, archive: this.#archive, reader: this.#reader };
    return state.outcomes.run(() =>
      this.#changing.run(async () => {
        this.#writer.roll(project);
        await this.#storePending([state]);
        return work(deps, state);
      }),
    );
  }

  async roll(project?: string): Promise<void> {
    this.#writer.roll(project);
    const states = project === undefined ? [...this.#states.values()] : [this.#state(project)];
    await this.#changing.run(() => this.#storePending(states));
  }

  async maintain(signal?: AbortSignal): Promise<void> {
    await this.#replayed;
    this.#writer.rollOld();
    this.#writer.deliverWritten();
    const now = this.#options.clock.nowMs();
    await this.#saveClosedMinutes(now);
    await this.#storeClosed();
    if (now - this.#lastHousekeepingMs < HOUSEKEEPING_EVERY_MS || signal?.aborted) return;
    this.#lastHousekeepingMs = now;
    await rollUpSketches(this.#options.records, now, signal);
    await this.#changing.run(async () => {
      await this.#archive.sweep();
      await this.#joinSmallSegments(now);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writer.close();
    await this.#replayed.catch(() => {});
    await this.#changing.run(async () => {});
    for (const state of this.#states.values()) await state.recorder.save();
    this.#stopProcessMetrics();
    await this.#engine.close();
  }

  #state(project: string): ProjectState {
    let state = this.#states.get(project);
    if (state === undefined) {
      if (!Name.safeParse(project).success) throw new InvalidError('The project is not spelled as one.', { details: { field: 'project' } });
      state = createProjectState(project, this.#options.records, this.#options.replica);
      this.#states.set(project, state);
    }
    return state;
  }

  /** Saves once a minute: what a crash leaves to be counted again from the open segments is at most a minute's lines. */
  async #saveClosedMinutes(now: number): Promise<void> {
    const minute = Math.floor(now / LEVEL_MS.minute);
    if (minute === this.#lastSavedMinute) return;
    this.#lastSavedMinute = minute;
    for (const state of this.#states.values()) await state.recorder.save();
  }

  #onWritten(batch: WrittenBatch<Item>): void {
    if (batch.kind !== 'invocation') return;
    const state = this.#state(batch.project);
    for (const call of batch.items) {
      if (call === null || call.arm === SHADOW_ARM) continue;
      this.#counts.countCall(call);
      state.recorder.observe(call, state.watched.get(call.version) ?? undefined);
    }
    state.recorder.advance(batch.segment, batch.endByte);
    if (state.recorder.isFull) void state.recorder.save().catch((error: Error) => this.#report(error));
  }

  /** Files of this replica that an earlier process left, the oldest first. */
  async #leftFiles() {
    const found = [];
    for (const project of await readdir(this.#segments).catch(() => [])) {
      for (const file of await readdir(join(this.#segments, project)).catch(() => [])) {
        const name = parseSegmentFileName(file);
        if (!name || name.replica !== this.#options.replica) continue;
        const path = join(this.#segments, project, file);
        found.push({ id: name.id, project, kind: name.kind, path, openedMs: idTimeMs(name.id) });
      }
    }
    return found.toSorted((left, right) => (left.id < right.id ? -1 : 1));
  }

  /**
   * A segment whose lines are all counted is appended to again; after a crash the rest of it must be counted first, so it
   * is closed and new lines go elsewhere.
   */
  #adopt(segment: SegmentFile, unread: SegmentFile[]): void {
    this.#state(segment.project).pending.set(segment.id, segment);
    const isRead = segment.kind === 'outcome' || segment.observedBytes === segment.committedBytes;
    const ageMs = this.#options.clock.nowMs() - segment.openedMs;
    if (isRead && ageMs < (this.#options.segmentLimitAgeMs ?? SEGMENT_LIMIT_AGE_MS) && this.#writer.adopt(segment)) return;
    segment.closed = true;
    unread.push(segment);
  }

  async #replay(segments: readonly SegmentFile[]): Promise<void> {
    for (const segment of segments) {
      if (segment.kind !== 'invocation') continue;
      const state = this.#state(segment.project);
      for await (const lines of segment.lines(segment.observedBytes, segment.committedBytes)) {
        for (const line of lines) await this.#replayLine(state, line);
        state.recorder.advance(segment, segment.observedBytes + lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0));
        if (state.recorder.isFull) await state.recorder.save();
      }
    }
  }

  async #replayLine(state: ProjectState, line: string): Promise<void> {
    // A damaged line is left out here and reported when the segment is stored.
    if (!isWholeLine('invocation', line)) return;
    const call = parseInvocation(line);
    if (call.arm === SHADOW_ARM) return;
    let watched = state.watched.get(call.version);
    if (watched === undefined) {
      const fields = await findWatched(this.#options.records.db, state.id, call.version);
      watched = state.watched.get(call.version) ?? (fields ? watchedInputs({ fields }) : null);
      state.watched.set(call.version, watched);
    }
    state.recorder.observe(call, watched ?? undefined);
  }

  /** Turns all closed segments into Parquet, in the background; calls while it runs share one more pass. */
  #storeClosed(): Promise<void> {
    this.#storing ??= this.#changing
      .run(async () => {
        this.#storing = undefined;
        if (!this.#isClosed) await this.#storePending([...this.#states.values()]);
      })
      .catch((error: Error) => {
        this.#counts.segmentFailures.add();
        this.#report(error);
        throw error;
      });
    return this.#storing;
  }

  async #storePending(states: readonly ProjectState[]): Promise<void> {
    for (const state of states) {
      const closed = [...state.pending.values()].filter((segment) => segment.closed);
      if (closed.length === 0) continue;
      // The lines are about to go, so whatever they add to the sketches must be saved before.
      await this.#replayed;
      this.#writer.deliverWritten();
      await state.recorder.save();
      for (const segment of closed) {
        await this.#archive.store(state, segment);
        this.#counts.segmentsStored.add();
      }
    }
  }

  async #joinSmallSegments(now: number): Promise<void> {
    const small = await listSmallSegments(this.#options.records.db, {
      replica: this.#options.replica,
      belowBytes: MERGE_SMALL_BYTES,
      createdBeforeMs: now,
      limit: MERGE_SEGMENTS_LIMIT,
    });
    const first = small[0];
    if (!first || small.length < MERGE_SEGMENTS_LIMIT) return;
    await this.#archive.replace(this.#state(first.project), small, { id: this.#ids.next('segment'), reason: 'merged', where: 'true' });
  }

  #report(error: Error): void {
    this.#options.onProblem?.(error);
  }

  #measurePending(): void {
    const pending = [...this.#states.values()].flatMap((state) => [...state.pending.values()]);
    this.#counts.pendingSegments.set(pending.length);
    this.#backlogBytes = pending.reduce((sum, segment) => sum + segment.committedBytes, 0);
    this.#counts.pendingBytes.set(this.#backlogBytes);
  }

  backlogBytes(): number {
    return this.#backlogBytes;
  }
}

function refuseInvocation(invocation: Invocation, line: string): Error | undefined {
  if (line.length > LINE_LIMIT_CHARACTERS) {
    return new LineTooLongError(`The call is longer than ${LINE_LIMIT_CHARACTERS} characters as JSON.`, {
      details: { limit: LINE_LIMIT_CHARACTERS, found: line.length },
      help: 'Send fewer or smaller values, or set the revision to record "redacted".',
    });
  }
  const { id, armProbability, latencyMs, costMicros, eventTimeMs, observedTimeMs } = invocation;
  // A sum of finite numbers is finite: one test for all of them. What is not finite has no JSON form.
  const isFinite = Number.isFinite(armProbability + latencyMs + costMicros + eventTimeMs + observedTimeMs);
  if (isFinite && isId('invocation', id)) return undefined;
  return new InvalidError('The invocation has no proper id, or a number that is not finite.', { details: { invocation: id.slice(0, 64) } });
}
