import { higherIsBetter } from '@slipway/evaluation';
import { type Json, toRfc3339 } from '@slipway/kernel';
import type { MonitorReport } from '@slipway/monitoring';
import { nextCronMs, parseCron } from '@slipway/workflows';
import { type RetrainPolicy, type RetrainTrigger, type TriggerFinding, durationMs } from './contract.ts';
import type { Origin, RetrainDeps } from './origin.ts';

const short = (value: number) => String(Number(value.toPrecision(4)));

/** What a look at a release goes by. */
export interface Sight {
  readonly project: string;
  readonly release: string;
  readonly policy: RetrainPolicy;
  readonly origin: Origin;
  readonly nowMs: number;
  /** Newest labelled event. */
  readonly eventNowMs: number;
  /** Labelled calls that the last attempt did not have. */
  readonly newRows: number;
  /** Wall time since which a schedule's ticks count. */
  readonly scheduledSinceMs: number;
}

/** The first trigger of the policy that fires; undefined when none does. Those that cost least are asked first. */
export async function findTrigger(deps: RetrainDeps, sight: Sight): Promise<TriggerFinding | undefined> {
  const cheapFirst = sight.policy.on.toSorted((left, right) => costOf(left) - costOf(right));
  for (const trigger of cheapFirst) {
    const found = await ask(deps, sight, trigger);
    if (found) return found;
  }
  return undefined;
}

/** Calls younger than this may well be labelled in a moment. */
const LATE_LABELS_MS = 60_000;

/**
 * Drift in calls whose labels have not come: of a window that ends now, when the newest label is older. It starts nothing, as
 * there is nothing to learn it from yet; that it waits is worth saying. @param labelledToMs null when no call is labelled.
 */
export async function driftAhead(deps: RetrainDeps, sight: Sight, labelledToMs: number | null): Promise<TriggerFinding | undefined> {
  if (labelledToMs !== null && sight.nowMs - labelledToMs < LATE_LABELS_MS) return undefined;
  for (const trigger of sight.policy.on) {
    if (trigger.kind !== 'drift') continue;
    const found = driftFinding(await look(deps, { ...sight, eventNowMs: sight.nowMs }, trigger.window, ['drift']));
    if (found) return found;
  }
  return undefined;
}

function costOf({ kind }: RetrainTrigger): number {
  return kind === 'schedule' || kind === 'new-data' ? 0 : kind === 'drift' ? 1 : 2;
}

async function ask(deps: RetrainDeps, sight: Sight, trigger: RetrainTrigger): Promise<TriggerFinding | undefined> {
  switch (trigger.kind) {
    case 'schedule':
      return askSchedule(sight, trigger);
    case 'new-data':
      if (sight.newRows < trigger.rows) return undefined;
      return {
        kind: 'new-data',
        reason: `${sight.newRows} labelled calls are new, ${trigger.rows} were waited for`,
        evidence: { newRows: sight.newRows, rows: trigger.rows },
      };
    case 'drift':
      return driftFinding(await look(deps, sight, trigger.window, ['drift', 'quality']));
    case 'quality':
      return qualityFinding(trigger, sight.origin, await look(deps, sight, trigger.window, ['quality']));
  }
}

function askSchedule(
  { scheduledSinceMs, nowMs }: Sight,
  { cron }: Extract<RetrainTrigger, { kind: 'schedule' }>,
): TriggerFinding | undefined {
  const tickMs = nextCronMs(parseCron(cron), scheduledSinceMs);
  if (tickMs > nowMs) return undefined;
  return { kind: 'schedule', reason: `scheduled (${cron}) for ${toRfc3339(tickMs)}`, evidence: { cron, tick: toRfc3339(tickMs) } };
}

/** A report over a window that ends with the newest labelled call. */
function look(deps: RetrainDeps, { project, release, eventNowMs }: Sight, window: string, sections: ('drift' | 'quality')[]) {
  const toMs = eventNowMs + 1;
  return deps.monitor(project, release, { from: String(Math.max(0, toMs - durationMs(window))), to: String(toMs), sections });
}

/** Drift as the monitor judges it: of the inputs as a whole, of single ones, of the answers, or of the error. */
export function driftFinding(report: MonitorReport): TriggerFinding | undefined {
  const window = `${report.window.from} to ${report.window.to}`;
  const fields = report.fields.filter((field) => field.verdict === 'drift');
  const evidence: Json = {
    window: report.window,
    calls: report.invocations,
    fields: fields.slice(0, 10).map(({ field, reason, psi }) => ({ field, reason, psi })),
    dataset: { drifted: report.dataset.drifted, fields: report.dataset.fields },
    error: report.concept?.verdict === 'drift' ? report.concept.reason : null,
  };
  if (report.concept?.verdict === 'drift') return { kind: 'drift', reason: `${report.concept.reason} (${window})`, evidence };
  const [first] = fields;
  if (!first) return undefined;
  const others = fields.length > 1 ? ` and ${fields.length - 1} more` : '';
  return { kind: 'drift', reason: `${first.field}${others} drifted: ${first.reason} (${window})`, evidence };
}

/** The metric that quality is followed by when none is named. */
export function followedMetric(task: string): string {
  return task === 'regression' ? 'mae' : 'accuracy';
}

/** Measured quality of the live version's own answers against what it had when it was proven, or against a bound. */
export function qualityFinding(
  trigger: Extract<RetrainTrigger, { kind: 'quality' }>,
  { task, proven }: Pick<Origin, 'task' | 'proven'>,
  { quality, window }: Pick<MonitorReport, 'quality' | 'window'>,
): TriggerFinding | undefined {
  const metric = trigger.metric ?? followedMetric(task);
  const now = quality?.metrics[metric];
  if (!quality || now === undefined || now === null || quality.count < trigger.rows) return undefined;
  const before = proven[metric]?.value ?? null;
  const evidence: Json = { metric, now, before, calls: quality.count, window };
  const over = `over ${quality.count} labelled calls (${window.from} to ${window.to})`;
  const finding = (reason: string): TriggerFinding => ({ kind: 'quality', reason, evidence });
  if (trigger.atLeast !== undefined && now < trigger.atLeast) return finding(`${metric} ${short(now)} is below ${trigger.atLeast} ${over}`);
  if (trigger.atMost !== undefined && now > trigger.atMost) return finding(`${metric} ${short(now)} is above ${trigger.atMost} ${over}`);
  const drop = trigger.drop ?? (trigger.atLeast === undefined && trigger.atMost === undefined ? DROP_DEFAULT : undefined);
  if (drop === undefined || before === null) return undefined;
  const lost = lostOf(metric, before, now);
  if (lost < drop) return undefined;
  return finding(`${metric} fell from ${short(before)} when it was proven to ${short(now)} ${over}`);
}

/** Loss of quality that counts when neither a drop nor a bound is given. */
const DROP_DEFAULT = 0.05;

/** How much worse `now` is than `before`, whichever direction the metric has. */
export function lostOf(metric: string, before: number, now: number): number {
  return higherIsBetter(metric) ? before - now : now - before;
}

/** Quality lost since the live version was proven, over the last week of event time; null when it cannot be known. */
export async function expectedGain(deps: RetrainDeps, sight: Sight): Promise<{ metric: string; lost: number } | null> {
  const metric = followedMetric(sight.origin.task);
  const before = sight.origin.proven[metric]?.value ?? null;
  const { quality } = await look(deps, sight, GAIN_WINDOW, ['quality']);
  const now = quality?.metrics[metric] ?? null;
  return before === null || now === null ? null : { metric, lost: lostOf(metric, before, now) };
}

const GAIN_WINDOW = '7d';
