import { type Clock, type Contract, type Frame, type Json, type Row, breathe, frameFromRows, toRfc3339 } from '@slipway/kernel';
import type { FieldSketch } from '@slipway/statistics';
import { CALL_FIELDS, type SampledCall, type Telemetry } from '@slipway/telemetry';
import { findConceptDrift } from './concept/find-concept-drift.ts';
import type { Fairness, MonitorReport, MonitorSection, MonitorSettings, MultivariateDrift } from './contract.ts';
import { MonitorSection as Sections, MonitorSettings as Settings } from './contract.ts';
import { compareWithReference } from './drift/compare-with-reference.ts';
import { compareJointly } from './drift/domain-classifier.ts';
import { judgeFairness } from './fairness/judge-fairness.ts';
import {
  DOMAIN_ROWS_LIMIT,
  FAILED_CALLS_READ_LIMIT,
  GROUPS_LIMIT,
  GROUP_COLUMNS_LIMIT,
  QUALITY_PAIRS_LIMIT,
  SAMPLE_ROWS_LIMIT,
  SAMPLE_ROWS_MIN,
} from './limits.ts';
import { BURN_WINDOWS_MS, countBurn, judgeObjective } from './objectives/burn-rate.ts';
import { causeOfObjective } from './objectives/objective-cause.ts';
import { checkContract } from './quality/check-contract.ts';
import { estimateQuality } from './quality/estimate-quality.ts';
import { qualityWindows } from './quality/quality-windows.ts';
import { type PredictionTask, measureQuality } from './quality/quality.ts';
import { type WindowQuery, readWindow } from './read-window.ts';
import type { Reference } from './reference.ts';

/** A release's revision and what its version predicts; `task` is null for servables that predict nothing that can be scored. */
export interface MonitoredRelease {
  readonly release: string;
  readonly revision: number;
  readonly version: string;
  readonly task: PredictionTask['task'] | null;
  readonly classes: readonly string[] | null;
  readonly positive: string | null;
  /** Columns by whose values decisions are compared when the settings name none: those that were declared sensitive. */
  readonly sensitive?: readonly string[];
}

export interface MonitorPorts {
  /** The live revision, or the one named. @throws {NotFoundError} */
  findRelease(project: string, name: string, revision?: number): Promise<MonitoredRelease>;
  /** What the version was trained on, as sketches; undefined when it came without. */
  loadReference(project: string, version: string): Promise<Reference | undefined>;
  /** What the version takes; undefined when nothing is known of it. */
  loadContract(project: string, version: string): Promise<Contract | undefined>;
  /** At most so many rows that the version was made from, spread over all of them; undefined when they are gone. */
  loadRows(project: string, version: string, limit: number): Promise<readonly Row[] | undefined>;
  readonly telemetry: Pick<Telemetry, 'sketches' | 'pairs' | 'sample' | 'decisions' | 'listInvocations'>;
  readonly clock: Clock;
}

export interface MonitorOptions extends WindowQuery {
  /** Default: the live one. */
  readonly revision?: number | undefined;
  /** Name of the outcome to judge by; default: that of the settings. */
  readonly outcome?: string | undefined;
  readonly groups?: readonly string[] | undefined;
  /** Parts of the report; all but `multivariate` by default. */
  readonly sections?: readonly MonitorSection[] | undefined;
}

interface Asked {
  readonly ports: MonitorPorts;
  readonly project: string;
  readonly found: MonitoredRelease;
  readonly query: { readonly release: string; readonly revision: number; readonly fromMs: number; readonly toMs: number };
  readonly settings: MonitorSettings;
  readonly outcome: string;
}

/**
 * Compares a window of a release with what its version was trained on, by sketches alone; judges objectives, the contract and
 * decisions by group, measures quality where outcomes are known and estimates it where they are not.
 * @throws {NotFoundError} {@link WindowInvalidError} {@link ReferenceInvalidError}
 */
export async function monitor(
  ports: MonitorPorts,
  project: string,
  release: string,
  options: MonitorOptions = {},
  settings: MonitorSettings = Settings.parse({}),
): Promise<MonitorReport> {
  const window = readWindow(
    { window: options.from === undefined ? settings.window : undefined, ...withoutUndefined(options) },
    ports.clock.nowMs(),
  );
  const found = await ports.findRelease(project, release, options.revision);
  const query = { release: found.release, revision: found.revision, ...window };
  const sections = new Set<MonitorSection>(
    options.sections ?? Sections.options.filter((each) => each !== 'multivariate' || settings.multivariate),
  );
  const asked: Asked = { ports, project, found, query, settings, outcome: options.outcome ?? settings.outcome };
  const reference = await ports.loadReference(project, found.version);
  const current = await ports.telemetry.sketches(project, query);
  const drift = compareWithReference({
    reference: sections.has('drift') ? (reference?.fields ?? new Map<string, FieldSketch>()) : new Map<string, FieldSketch>(),
    current,
    thresholds: settings.thresholds,
    fieldThresholds: settings.fields,
    datasetRatio: settings.datasetRatio,
  });
  const contract =
    sections.has('contract') || sections.has('multivariate') || sections.has('estimate')
      ? await ports.loadContract(project, found.version)
      : undefined;
  const groups = options.groups ?? (settings.groups.length > 0 ? settings.groups : (found.sensitive ?? []).slice(0, GROUP_COLUMNS_LIMIT));
  return {
    release: found.release,
    revision: found.revision,
    version: found.version,
    window: { from: toRfc3339(window.fromMs), to: toRfc3339(window.toMs) },
    invocations: countCalls(current),
    verdict: drift.verdict,
    reference: reference === undefined ? null : { fields: reference.fields.size },
    fields: [...drift.fields],
    dataset: drift.dataset,
    contract: sections.has('contract') && contract ? checkContract(contract, current) : [],
    objectives: sections.has('objectives') ? await judgeObjectives(asked) : [],
    ...(sections.has('quality') ? await findQuality(asked) : { quality: null, qualityWindows: [], concept: null }),
    fairness: sections.has('fairness') ? await findFairness(asked, groups) : [],
    ...(await fromSample(asked, sections, reference, contract, countCalls(current))),
  };
}

function withoutUndefined(options: WindowQuery): WindowQuery {
  return Object.fromEntries(
    (['window', 'from', 'to'] as const).flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
}

function countCalls(current: ReadonlyMap<string, FieldSketch>): number {
  // Calls recorded before they were sketched themselves are counted by their fields.
  return Math.max(0, ...[...current.values()].map((sketch) => sketch.count), current.get(CALL_FIELDS.error)?.count ?? 0);
}

async function judgeObjectives({ ports, project, query, settings }: Asked): Promise<MonitorReport['objectives']> {
  if (settings.objectives.length === 0) return [];
  const windows = new Map<number, ReadonlyMap<string, FieldSketch>>();
  for (const windowMs of BURN_WINDOWS_MS)
    windows.set(windowMs, await ports.telemetry.sketches(project, { ...query, fromMs: query.toMs - windowMs }));
  const states = settings.objectives.map((objective) =>
    judgeObjective(objective, (windowMs) => countBurn(objective, windows.get(windowMs) ?? new Map())),
  );
  const burning = states.filter(({ verdict }) => verdict === 'drift' || verdict === 'warn');
  const failed = burning.some(({ objective }) => objective.kind === 'errors') ? await latestFailures(ports, project, query) : [];
  return states.map((state) =>
    burning.includes(state) ? { ...state, cause: causeOfObjective(state.objective, state.windows, failed) } : state,
  );
}

/** Calls that failed within the longest window that an objective is judged by, the latest. */
async function latestFailures(ports: MonitorPorts, project: string, query: Asked['query']) {
  const fromMs = query.toMs - Math.max(...BURN_WINDOWS_MS);
  const failed = await ports.telemetry.listInvocations(project, { ...query, fromMs, status: 'error', limit: FAILED_CALLS_READ_LIMIT });
  return failed.items;
}

async function findQuality({
  ports,
  project,
  query,
  found,
  outcome,
}: Asked): Promise<Pick<MonitorReport, 'quality' | 'qualityWindows' | 'concept'>> {
  const none = { quality: null, qualityWindows: [], concept: null };
  const task = taskOf(found);
  if (task === null) return none;
  const pairs = await ports.telemetry.pairs(project, { ...query, outcome, limit: QUALITY_PAIRS_LIMIT + 1 });
  if (pairs.length === 0) return none;
  const used = pairs.slice(0, QUALITY_PAIRS_LIMIT);
  const quality = { outcome, truncated: pairs.length > used.length, ...measureQuality(used, task) };
  await breathe();
  const windows = await qualityWindows(used, task, query);
  await breathe();
  return { quality, qualityWindows: windows, concept: findConceptDrift(used, task.task) };
}

function taskOf({ task, classes, positive }: MonitoredRelease): PredictionTask | null {
  return task === null ? null : { task, classes, positive };
}

async function findFairness({ ports, project, query, found, settings, outcome }: Asked, groups: readonly string[]): Promise<Fairness[]> {
  const favourable = settings.favourable ?? found.positive ?? found.classes?.at(-1);
  // Numbers are neither favourable nor not.
  if (favourable === undefined || found.task === 'regression') return [];
  const reports: Fairness[] = [];
  for (const column of groups) {
    const cells = await ports.telemetry.decisions(project, { ...query, column, outcome });
    const largest = [...Map.groupBy(cells, (cell) => cell.group)]
      .map(([group, own]) => ({ group, count: own.reduce((sum, cell) => sum + cell.count, 0) }))
      .toSorted((a, b) => b.count - a.count)
      .slice(0, GROUPS_LIMIT);
    const named = new Set(largest.map((each) => each.group));
    reports.push(
      judgeFairness(
        cells.map((cell) => (named.has(cell.group) ? cell : { ...cell, group: 'other' })),
        { column, favourable },
      ),
    );
  }
  return reports;
}

/** The parts that look at recorded rows: a bounded sample of them, read once. */
async function fromSample(
  asked: Asked,
  sections: ReadonlySet<MonitorSection>,
  reference: Reference | undefined,
  contract: Contract | undefined,
  recorded: number,
): Promise<Pick<MonitorReport, 'estimate' | 'multivariate'>> {
  const { ports, project, query, found } = asked;
  const task = taskOf(found);
  const wantsEstimate = sections.has('estimate') && task !== null && reference?.quality !== undefined;
  const wantsJoint = sections.has('multivariate') && contract !== undefined;
  if (!wantsEstimate && !wantsJoint) return { estimate: null, multivariate: null };
  // Too few for any verdict are not read: a server that is hardly asked anything need not load what reads them.
  const isEnough = recorded >= SAMPLE_ROWS_MIN;
  const calls = isEnough ? await ports.telemetry.sample(project, { ...query, limit: SAMPLE_ROWS_LIMIT }) : [];
  const inputs = contract && frameOf(contract, calls);
  const estimate = wantsEstimate && reference.quality ? await estimateQuality(calls, task, reference.quality, inputs) : null;
  const multivariate = wantsJoint && inputs ? await compareRows(ports, project, found.version, contract, inputs) : null;
  if (isEnough) return { estimate, multivariate };
  return {
    estimate: estimate && { ...estimate, count: recorded },
    multivariate: multivariate && { ...multivariate, counts: { ...multivariate.counts, current: recorded } },
  };
}

function frameOf(contract: Contract, calls: readonly SampledCall[]): Frame {
  return frameFromRows(
    contract,
    calls.map((call) => rowOf(call.input)),
  );
}

function rowOf(input: Json): Row {
  return input !== null && typeof input === 'object' && !Array.isArray(input) ? (input as Row) : {};
}

async function compareRows(
  ports: MonitorPorts,
  project: string,
  version: string,
  contract: Contract,
  inputs: Frame,
): Promise<MultivariateDrift | null> {
  const rows = await ports.loadRows(project, version, DOMAIN_ROWS_LIMIT);
  if (rows === undefined) return null;
  // A time is later now than then, and identifiers and free texts are never the same: they would tell the sides apart by themselves.
  const names = contract.fields
    .filter((field) => field.role === 'numeric' || field.role === 'categorical' || field.role === 'boolean')
    .map((field) => field.name);
  return compareJointly(frameFromRows(contract, rows), inputs, names);
}
