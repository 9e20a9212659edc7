import type { Client } from '@slipway/client';
import type { Rollout } from '@slipway/releases/rollout-contract';
import { short, table } from './output.ts';

/** A rollout as people read it: where it is, what the evidence says, and how much is missing. */
export function showRollout(rollout: Rollout): string {
  const { look } = rollout;
  return [
    `${rollout.release}: revision ${rollout.champion} → ${rollout.candidate}, ${rollout.status}${stepText(rollout)}`,
    ...(rollout.reason === null ? [] : [`  ${rollout.reason}`]),
    ...(look === null ? ['  no look at the evidence yet'] : evidence(rollout, look)),
    `  run ${rollout.run}`,
  ].join('\n');
}

/** Rollouts as a list, those under way first. */
export function showRollouts(rollouts: readonly Rollout[]): string {
  if (rollouts.length === 0) return 'no rollouts yet\nbegin one with: slipway rollout start RELEASE --candidate VERSION';
  const under = rollouts.filter((each) => each.endedAt === null);
  return table(
    [...under, ...rollouts.filter((each) => each.endedAt !== null)].map((each) => [
      each.release,
      `${each.champion} → ${each.candidate}`,
      `${each.status}${stepText(each)}`,
      each.startedAt,
      each.endedAt === null ? (each.look?.reason ?? '') : (each.reason ?? ''),
    ]),
    ['release', 'revision', 'where', 'started', 'why'],
  );
}

function stepText({ endedAt, step, plan }: Rollout): string {
  if (endedAt !== null) return ` ${endedAt}`;
  const now = plan.steps[step];
  if (!now) return '';
  const what = now.kind === 'approval' ? 'waits for: slipway rollout approve' : `${now.kind} of ${short(now.share * 100)} %`;
  return `, step ${step + 1} of ${plan.steps.length} (${what})`;
}

function evidence({ endedAt }: Rollout, look: NonNullable<Rollout['look']>): string[] {
  const rows = look.metrics.map((metric) => [
    metric.verdict,
    `${metric.metric}${metric.role === 'guardrail' ? ' (guardrail)' : ''}`,
    short(metric.champion),
    short(metric.candidate),
    `${short(metric.difference)}  [${metric.low === null ? '-∞' : short(metric.low)}, ${metric.high === null ? '∞' : short(metric.high)}]`,
    short(metric.margin),
    metric.basis,
    metric.needed ? `${units(metric.needed.ifAsNow)} as it looks, ${units(metric.needed.ifEqual)} if equal` : (metric.note ?? ''),
  ]);
  const { sampleRatio } = look;
  const ratio = sampleRatio.candidateShare === null ? '' : `, sample ratio p ${short(sampleRatio.pValue)}`;
  return [
    `  ${look.verdict}${endedAt === null ? `: ${look.reason}` : ''}`,
    `  units: champion ${look.units.champion}, candidate ${look.units.candidate}${ratio}`,
    table(rows, ['verdict', 'metric', 'champion', 'candidate', 'difference', 'margin', 'basis', 'units still needed (median..p90)']),
  ];
}

function units({ median, p90 }: { median: number | null; p90: number | null }): string {
  return median === null ? 'more than can be told' : `${median}..${p90 ?? '∞'}`;
}

type ReplayReport = ReturnType<Client['replays']['report']>;

/** Slices shown of a replay; all are in --json. */
const SLICES_SHOWN = 15;

export function showReplay(report: ReplayReport): string {
  const { changed, delta, quality } = report;
  const share = (value: { share: number; low: number; high: number }) =>
    `${short(100 * value.share)} % [${short(100 * value.low)}, ${short(100 * value.high)}]`;
  const slices = report.slices
    .toSorted((left, right) => right.changed.share - left.changed.share)
    .slice(0, SLICES_SHOWN)
    .map((slice) => [
      slice.column,
      slice.value,
      slice.calls,
      share(slice.changed),
      short(slice.meanDelta),
      short(slice.recorded),
      short(slice.candidate),
    ]);
  return [
    `${report.release}: ${report.calls} recorded calls through ${report.candidate}${report.truncated ? ' (the newest; there were more)' : ''}`,
    `changed answers: ${share(changed)}; the candidate failed in ${report.candidateErrors}`,
    ...(report.skipped.withoutInput + report.skipped.refused > 0
      ? [`left out: ${report.skipped.withoutInput} without a recorded input, ${report.skipped.refused} that break the candidate's contract`]
      : []),
    ...report.flips.map(({ from, to, calls }) => `  ${from} → ${to}: ${calls}`),
    ...(delta
      ? [
          `${delta.of}: mean ${short(delta.mean)}, p5 ${short(delta.p05)}, median ${short(delta.median)}, p95 ${short(delta.p95)}, largest ${short(delta.largest)}`,
        ]
      : []),
    ...(quality
      ? [
          `${quality.measure} over ${quality.outcomes} outcomes: ${short(quality.recorded)} → ${short(quality.candidate)}, difference ${short(quality.difference)} [${short(quality.low)}, ${short(quality.high)}]`,
        ]
      : ['quality: no outcomes for these calls yet']),
    ...(slices.length > 0 ? [table(slices, ['column', 'value', 'calls', 'changed', 'mean delta', 'recorded', 'candidate'])] : []),
  ].join('\n');
}
