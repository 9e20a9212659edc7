import { parseTime } from '@slipway/kernel';
import type { AlertSeverity, MonitorReport, MonitorSettings, Verdict } from '../contract.ts';
import { ALERTS_PER_CHECK_LIMIT } from '../limits.ts';
import { causeOfContract, causeOfError, causeOfFairness, movedInputs } from './finding-cause.ts';

/** One thing that is wrong, as a check found it; equal `kind` and `about` are the same thing. */
export interface Finding {
  readonly release: string;
  readonly revision: number;
  readonly kind: string;
  readonly about: string;
  readonly severity: AlertSeverity;
  readonly message: string;
  readonly cause: string | null;
  readonly command: string;
  readonly window: { readonly fromMs: number; readonly toMs: number };
}

type Said = Pick<Finding, 'kind' | 'about' | 'severity' | 'message'> & { readonly cause?: string | null; readonly flags?: string };

/** Everything in a report that is worth an alert, the worst first. */
export function findingsOf(report: MonitorReport, settings: Pick<MonitorSettings, 'quality'>): Finding[] {
  const said = [
    ...fieldFindings(report),
    ...report.contract.flatMap((each) => judged(each.verdict, { ...contractSaid(each), cause: causeOfContract(each, report) })),
    ...report.objectives.flatMap((each) =>
      judged(each.verdict, {
        kind: 'objective',
        about: each.name,
        message: `objective ${each.name}: ${each.reason}`,
        cause: each.cause,
        flags: '--sections objectives',
      }),
    ),
    ...report.fairness.flatMap((each) =>
      judged(each.verdict, {
        kind: 'fairness',
        about: each.column,
        message: each.reason,
        cause: causeOfFairness(each),
        flags: `--groups ${each.column} --sections fairness`,
      }),
    ),
    ...(report.multivariate
      ? judged(report.multivariate.verdict, {
          kind: 'multivariate',
          about: 'all columns',
          message: report.multivariate.reason,
          cause: causeOfColumns(report.multivariate.columns),
          flags: '--sections multivariate',
        })
      : []),
    ...(report.concept
      ? judged(report.concept.verdict, {
          kind: 'concept',
          about: 'error',
          message: report.concept.reason,
          cause: causeOfError(report),
          flags: '--sections quality',
        })
      : []),
    ...qualityFindings(report, settings),
  ];
  const window = { fromMs: parseTime(report.window.from) ?? 0, toMs: parseTime(report.window.to) ?? 0 };
  const { release, revision } = report;
  return said
    .map(({ flags, cause, ...rest }) => ({
      release,
      revision,
      ...rest,
      message: `${rest.message} (${report.window.from} to ${report.window.to})`,
      cause: cause ?? null,
      command: `slipway monitor ${release} --from ${report.window.from} --to ${report.window.to}${flags ? ` ${flags}` : ''}`,
      window,
    }))
    .toSorted((left, right) => Number(left.severity === 'warn') - Number(right.severity === 'warn'))
    .slice(0, ALERTS_PER_CHECK_LIMIT);
}

function judged(verdict: Verdict, said: Omit<Said, 'severity'>): Said[] {
  return verdict === 'warn' || verdict === 'drift' ? [{ ...said, severity: verdict === 'drift' ? 'alert' : 'warn' }] : [];
}

/** When the data as a whole has drifted, that is one alert that names the fields rather than one for each. */
function fieldFindings({ fields, dataset }: MonitorReport): Said[] {
  const whole = dataset.verdict === 'drift';
  const inputs = fields.filter((each) => each.about === 'input' && each.verdict === 'drift');
  const single = [
    ...fields
      .filter((each) => each.about === 'input' && !whole)
      .flatMap((each) =>
        judged(each.verdict, {
          kind: 'drift',
          about: each.field,
          message: `${each.field}: ${each.reason}`,
          cause: each.cause,
          flags: '--sections drift',
        }),
      ),
    ...predictionFinding(fields),
  ];
  if (!whole) return single;
  const names = inputs.slice(0, 5).map((each) => each.field);
  const more = inputs.length > names.length ? ` and ${inputs.length - names.length} more` : '';
  const message = `${dataset.drifted} of ${dataset.fields} input fields have drifted: ${names.join(', ')}${more}`;
  const cause = inputs.find((each) => each.cause !== null);
  return [
    {
      kind: 'dataset-drift',
      about: 'inputs',
      severity: 'alert',
      message,
      cause: cause ? `${cause.field}: ${cause.cause}` : null,
      flags: '--sections drift',
    },
    ...single,
  ];
}

/** An answer and the probabilities it comes from move together: they are one alert, and the inputs that moved are its likely cause. */
function predictionFinding(fields: MonitorReport['fields']): Said[] {
  const moved = fields.filter((each) => each.about === 'prediction' && (each.verdict === 'drift' || each.verdict === 'warn'));
  const worst = moved.find((each) => each.verdict === 'drift') ?? moved[0];
  if (!worst) return [];
  const others = moved.filter((each) => each !== worst).map((each) => each.field);
  const along =
    others.length === 0 ? '' : `; so have ${others.slice(0, 5).join(', ')}${others.length > 5 ? ` and ${others.length - 5} more` : ''}`;
  return judged(worst.verdict, {
    kind: 'drift',
    about: 'prediction',
    message: `${worst.field}: ${worst.reason}${along}`,
    cause: movedInputs(fields.filter((each) => each.about === 'input')) ?? worst.cause,
    flags: '--sections drift',
  });
}

function contractSaid(each: MonitorReport['contract'][number]): Omit<Said, 'severity'> {
  const share = `${Number((each.ratio * 100).toPrecision(3))} %`;
  return {
    kind: 'contract',
    about: `${each.field}/${each.rule}`,
    message: `${each.field} breaks its contract in ${share} of the calls: ${each.rule}, expected ${each.expected}, got ${each.got}`,
    flags: '--sections contract',
  };
}

function causeOfColumns(columns: readonly { column: string }[]): string | null {
  return columns.length === 0 ? null : `what changed shows in ${columns.map((each) => each.column).join(', ')}`;
}

function qualityFindings(report: MonitorReport, settings: Pick<MonitorSettings, 'quality'>): Said[] {
  return Object.entries(settings.quality).flatMap(([metric, { atLeast, atMost }]): Said[] => {
    const measured = report.quality?.metrics[metric];
    const estimated = report.estimate?.metrics[metric];
    const isMeasured = measured !== undefined && measured !== null;
    const isBelow = (value: number | null | undefined, bound: number | undefined) =>
      bound !== undefined && typeof value === 'number' && value < bound;
    const isAbove = (value: number | null | undefined, bound: number | undefined) =>
      bound !== undefined && typeof value === 'number' && value > bound;
    const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
    const base = { kind: 'quality', about: metric, cause: causeOfError(report), flags: '--sections drift,quality,estimate' };
    if (isMeasured && (isBelow(measured, atLeast) || isAbove(measured, atMost))) {
      const message = `${metric} is ${measured.toPrecision(4)} over ${report.quality?.count} outcomes; ${bound} is asked for`;
      return [{ ...base, severity: 'alert', message }];
    }
    // Without labels only a whole band on the wrong side says anything.
    if (!isMeasured && estimated && (isBelow(estimated.high, atLeast) || isAbove(estimated.low, atMost))) {
      const message = `${metric} is estimated at ${estimated.value?.toPrecision(4)} without labels; ${bound} is asked for`;
      return [{ ...base, severity: 'warn', message }];
    }
    return [];
  });
}
