import type { EvaluationReport } from '../contract.ts';
import { type PageDocument, type PageSection, percent, show, showInterval } from './document.ts';
import type { PageFacts } from './report-page.ts';
import { gatesSection, leaksSection, metricsSection } from './sections.ts';

/** One column as a card tells it. */
export interface CardColumn {
  readonly name: string;
  readonly type: string;
  readonly role: string;
  readonly missing: number;
  readonly distinct: number;
  readonly minimum?: number | null | undefined;
  readonly maximum?: number | null | undefined;
}

export interface DatasetFacts {
  readonly name: string;
  readonly version: string;
  readonly number: number;
  readonly rows: number;
  readonly duplicateRows: number;
  readonly source: string | null;
  readonly rowsHash: string;
  readonly createdAtMs: number;
  readonly principal: string;
  readonly columns: readonly CardColumn[];
  readonly notes: readonly string[];
}

export interface ModelCardFacts extends PageFacts {
  readonly dataset?: string | undefined;
  readonly principal?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly inputs: readonly { readonly name: string; readonly type: string; readonly role: string }[];
  readonly seed: number;
}

/** What models without a target say of a row. */
const SAYS: Readonly<Record<string, string>> = {
  cluster: 'which group a row belongs to',
  reduce: 'where a row lies in fewer dimensions',
  anomaly: 'how unusual a row is',
};

const COLUMN_LIMIT = 500;
const SLICES_SHOWN = 5;

/** What a model is, is good for and is not, from the recorded facts only. */
export function modelCard(report: EvaluationReport, facts: ModelCardFacts): PageDocument {
  const sections: (PageSection | undefined)[] = [
    {
      id: 'details',
      title: 'Model',
      tables: [
        {
          head: ['fact', 'value'],
          rows: [
            ['version', facts.version ?? '–'],
            ['made', facts.createdAtMs === undefined ? '–' : new Date(facts.createdAtMs).toISOString()],
            ['made by', facts.principal ?? '–'],
            ['task', report.task],
            ['target', report.target === '' ? '–' : report.target],
            ['classes', report.classes === null ? '–' : report.classes.join(', ')],
            ['trainer', facts.trainer ?? '–'],
            ['parameters', JSON.stringify(facts.params ?? {}).slice(0, 2_000)],
            ['seed', String(facts.seed)],
            ['training data', facts.dataset ?? '–'],
            ['rows', `${report.rows.train} to learn from, ${report.rows.test} to judge by`],
          ],
        },
      ],
    },
    {
      id: 'inputs',
      title: 'Inputs',
      tables: [
        { head: ['column', 'type', 'role'], rows: facts.inputs.slice(0, COLUMN_LIMIT).map((each) => [each.name, each.type, each.role]) },
      ],
    },
    metricsSection(report),
    gatesSection(report),
    limitsSection(report),
    leaksSection(report),
  ];
  return {
    title: `Model card: ${facts.name ?? report.target}${facts.number === undefined ? '' : ` version ${facts.number}`}`,
    lead: [
      `${report.target === '' ? `Says ${SAYS[report.task] ?? 'what it found'}` : `Predicts "${report.target}" (${report.task})`}. ${report.primary}: ${showInterval(report.metrics[report.primary])} on rows it has not seen.`,
    ],
    facts: [],
    sections: sections.filter((section) => section !== undefined),
  };
}

/** Where the model is known to be weaker, as measured. */
function limitsSection({ slices, fairness, robustness, notes }: EvaluationReport): PageSection {
  const weak = (slices?.worst ?? [])
    .slice(0, SLICES_SHOWN)
    .map(
      (slice) =>
        `Weaker on ${slice.label}: ${slices?.loss} ${show(slice.loss.value)} instead of ${show(slice.restLoss)} (${slice.rows} rows).`,
    );
  const fragile = (robustness?.summary ?? [])
    .filter((each) => !each.passed)
    .map(
      (each) =>
        `Sensitive to ${each.test}${each.field === null ? '' : ` in ${each.field}`}: ${percent(each.worst)} of decisions change unnoticed.`,
    );
  const texts = [...weak, ...(fairness?.warnings ?? []), ...fragile, ...notes];
  return { id: 'limits', title: 'Known limits', texts: texts.length > 0 ? texts : ['None was found by the checks of the report.'] };
}

/** What a dataset version holds, from its profile. */
export function datasetCard(facts: DatasetFacts): PageDocument {
  return {
    title: `Dataset card: ${facts.name} version ${facts.number}`,
    lead: [`${facts.rows} rows, ${facts.columns.length} columns${facts.source === null ? '' : `, from ${facts.source}`}.`],
    facts: [],
    sections: [
      {
        id: 'details',
        title: 'Dataset',
        tables: [
          {
            head: ['fact', 'value'],
            rows: [
              ['version', facts.version],
              ['made', new Date(facts.createdAtMs).toISOString()],
              ['made by', facts.principal],
              ['rows', String(facts.rows)],
              ['rows that repeat an earlier one', String(facts.duplicateRows)],
              ['SHA-256 of the rows', facts.rowsHash],
            ],
          },
        ],
      },
      {
        id: 'columns',
        title: 'Columns',
        tables: [
          {
            head: ['column', 'type', 'role', 'missing', 'different values', 'range'],
            rows: facts.columns
              .slice(0, COLUMN_LIMIT)
              .map((each) => [
                each.name,
                each.type,
                each.role,
                percent(facts.rows === 0 ? null : each.missing / facts.rows),
                String(each.distinct),
                each.minimum === null || each.minimum === undefined ? '–' : `${show(each.minimum)} to ${show(each.maximum)}`,
              ]),
          },
        ],
      },
      ...(facts.notes.length > 0 ? [{ id: 'notes', title: 'Notes', texts: facts.notes }] : []),
    ],
  };
}
