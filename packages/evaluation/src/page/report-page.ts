import type { EvaluationReport, MetricValue } from '../contract.ts';
import type { PageDocument, PageSection } from './document.ts';
import { percent, show } from './document.ts';
import {
  comparisonSection,
  explanationsSection,
  fairnessSection,
  forecastSection,
  objectiveSection,
  robustnessSection,
  slicesSection,
} from './evidence-sections.ts';
import {
  balanceSection,
  calibrationSection,
  confusionSection,
  curvesSection,
  gatesSection,
  importancesSection,
  leaksSection,
  metricsSection,
  notesSection,
  residualsSection,
} from './sections.ts';
import { rulesSection, unsupervisedSection } from './model-sections.ts';
import { barPlot, histogramPlot } from './svg.ts';

/** One candidate of the search. */
export interface CandidateFacts {
  readonly id: string;
  readonly trainer: string;
  readonly scores: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly latencyUs?: number | undefined;
  readonly chosen: boolean;
}

/** What drift is measured from: one field as it was in training. */
export interface ReferenceField {
  readonly field: string;
  readonly count: number;
  readonly missing: number;
  /** Shares of a number between equally wide edges, or of the commonest values. */
  readonly parts: readonly { readonly from: number; readonly to: number; readonly share: number }[];
  readonly values: readonly { readonly value: string; readonly share: number }[];
}

/** What is known of a version beyond its report; every part may be missing. */
export interface PageFacts {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly number?: number | undefined;
  readonly trainer?: string | undefined;
  readonly createdAtMs?: number | undefined;
  readonly leaderboard?: readonly CandidateFacts[] | undefined;
  readonly reference?: readonly ReferenceField[] | undefined;
  /** Fields whose numbers are times, in milliseconds since 1970. */
  readonly times?: readonly string[] | undefined;
}

const CANDIDATES_SHOWN = 30;
const HEADLINE_DIGITS = 4;
const REFERENCE_SHOWN = 24;

/** The whole evidence as one page; a section without facts is absent. */
export function reportPage(report: EvaluationReport, facts: PageFacts = {}): PageDocument {
  const failed = report.gates.filter((gate) => !gate.passed);
  const name = facts.name === undefined ? report.target : `${facts.name}${facts.number === undefined ? '' : ` version ${facts.number}`}`;
  const sections: (PageSection | undefined)[] = [
    gatesSection(report),
    metricsSection(report),
    leaksSection(report),
    objectiveSection(report),
    rulesSection(report),
    comparisonSection(report),
    forecastSection(report),
    unsupervisedSection(report),
    curvesSection(report),
    calibrationSection(report),
    confusionSection(report),
    residualsSection(report),
    importancesSection(report),
    explanationsSection(report, facts.times),
    slicesSection(report),
    fairnessSection(report),
    robustnessSection(report),
    balanceSection(report),
    leaderboardSection(facts),
    referenceSection(facts),
    notesSection(report),
  ];
  const primary = report.metrics[report.primary];
  return {
    title: `Evaluation of ${name}`,
    lead: [
      `${/^[aeiou]/.test(report.task) ? 'An' : 'A'} ${report.task} model${report.target === '' ? '' : ` of "${report.target}"`}${report.positive === null ? '' : ` (positive class: ${report.positive})`}${facts.trainer === undefined ? '' : `, trainer ${facts.trainer}`}, trained on ${report.rows.train} rows and evaluated on ${report.rows.test} others.`,
      failed.length === 0
        ? 'All gates passed.'
        : `${failed.length} of ${report.gates.length} gates failed: ${failed.map((gate) => gate.name).join(', ')}.`,
    ],
    facts: [
      headline(report.primary, primary),
      ['gates', failed.length === 0 ? 'passed' : `${failed.length} failed`],
      ...(report.latency ? ([['one row, 95th percentile', `${show(report.latency.p95Ms)} ms`]] as const) : []),
      ...(report.parity ? ([['graph differs from trainer by', show(report.parity.maxError)]] as const) : []),
      ...(facts.createdAtMs === undefined
        ? []
        : ([['made', new Date(facts.createdAtMs).toISOString().slice(0, 16).replace('T', ' ')]] as const)),
    ],
    sections: sections.filter((section) => section !== undefined),
  };
}

/** The primary metric, large; its interval small beside the name. */
function headline(name: string, estimate: MetricValue | undefined): readonly [string, string] {
  if (!estimate || estimate.value === null) return [name, '–'];
  const { value, low, high } = estimate;
  const brief = (each: number | null) => (each === null ? '–' : String(Number(each.toPrecision(HEADLINE_DIGITS))));
  return [low === null ? name : `${name}, ${brief(low)} to ${brief(high)}`, brief(value)];
}

function leaderboardSection({ leaderboard = [] }: PageFacts): PageSection | undefined {
  if (leaderboard.length === 0) return undefined;
  const names = [...new Set(leaderboard.flatMap((each) => Object.keys(each.scores)))];
  return {
    id: 'leaderboard',
    title: 'Candidates of the search',
    texts: ['Scores of training rows that a fit had not seen.'],
    tables: [
      {
        head: ['candidate', 'trainer', ...names, 'seconds', 'microseconds a row', ''],
        rows: leaderboard
          .slice(0, CANDIDATES_SHOWN)
          .map((each) => [
            each.id,
            each.trainer,
            ...names.map((name) => show(each.scores[name])),
            show(each.seconds),
            show(each.latencyUs),
            each.chosen ? 'chosen' : '',
          ]),
      },
    ],
  };
}

function referenceSection({ reference = [], times = [] }: PageFacts): PageSection | undefined {
  if (reference.length === 0) return undefined;
  const shown = reference.slice(0, REFERENCE_SHOWN);
  return {
    id: 'reference',
    title: 'Reference for drift',
    texts: ['How the inputs were in training and the predictions on unseen rows: monitors compare live calls with this.'],
    plots: shown.flatMap((field) =>
      field.parts.length > 1
        ? [{ caption: field.field, svg: histogramPlot(field.field, field.parts, field.field, times.includes(field.field)) }]
        : field.values.length > 0
          ? [
              {
                caption: field.field,
                svg: barPlot(
                  field.field,
                  field.values.map(({ value, share }) => ({ label: value, value: share })),
                ),
              },
            ]
          : [],
    ),
    tables: [
      {
        head: ['field', 'rows', 'missing'],
        rows: shown.map((field) => [field.field, String(field.count), percent(field.count === 0 ? null : field.missing / field.count)]),
      },
    ],
  };
}
