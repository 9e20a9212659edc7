import type { Version } from '@slipway/catalog';
import { metaOf } from '@slipway/data';
import {
  type EvaluationReport as Report,
  type PageDocument,
  type PageFacts,
  type ReferenceField,
  datasetCard,
  modelCard,
  reportPage,
  showInterval,
} from '@slipway/evaluation';
import { EvaluationReport } from '@slipway/evaluation/contract';
import { InvalidError, NotFoundError } from '@slipway/kernel';
import { ForecastMetadata, UnsupervisedMetadata } from '@slipway/learning';
import { ModelMetadata } from '@slipway/models';
import { FieldSketch, type FieldSketchJson } from '@slipway/statistics';
import { z } from 'zod';
import { ForecasterMeta } from '../forecast/forecast-state.ts';
import { getJson } from '../json-object.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { AnyModelMeta, LaunchedModelMeta, ReportMeta } from '../launch-state.ts';
import { UnsupervisedMeta } from '../unsupervised/unsupervised-state.ts';

/** Fields of the drift reference that a page shows, bars of a number, and values of a text. */
const REFERENCE_FIELD_LIMIT = 24;
const PART_COUNT = 24;
const VALUE_LIMIT = 12;

const Candidates = z.array(
  z.looseObject({
    id: z.string(),
    trainer: z.string(),
    scores: z.record(z.string(), z.number()),
    seconds: z.number().default(0),
    latencyUs: z.number().optional(),
    chosen: z.boolean().default(false),
  }),
);
const Sketches = z.looseObject({ fields: z.record(z.string(), z.custom<FieldSketchJson>()) });

export interface FoundReport {
  readonly version: Version;
  readonly meta: ReportMeta;
}

/** A report by its own id, by the id of the version it judged, or by name (the newest). @throws {NotFoundError} */
export async function findReport(deps: LaunchDeps, project: string, reference: string): Promise<FoundReport> {
  const version = await referred(deps, project, reference);
  const meta = ReportMeta.safeParse(version?.meta);
  if (version?.kind !== 'report' || !meta.success) {
    throw new NotFoundError(`There is no report "${reference}".`, {
      help: 'Give the id of a report or of a model version, or the name of a launch. Models made elsewhere have a card: --card.',
    });
  }
  return { version, meta: meta.data };
}

/** A version by its id, or a model or else a dataset by `name`, `name:number` or `name@alias`. */
async function versionOf(deps: LaunchDeps, project: string, reference: string): Promise<Version | undefined> {
  const attempts = [
    () => deps.catalog.get(project, reference),
    () => deps.catalog.resolve(project, 'model', reference),
    () => deps.catalog.resolve(project, 'dataset', reference),
  ];
  for (const attempt of attempts) {
    const found = await attempt().catch((error: unknown) => {
      if (error instanceof NotFoundError || error instanceof InvalidError) return undefined;
      throw error;
    });
    if (found) return found;
  }
  return undefined;
}

async function referred(deps: LaunchDeps, project: string, reference: string): Promise<Version | undefined> {
  const newest = (await deps.catalog.list(project, { kind: 'report', name: reference, limit: 1 })).items[0];
  if (newest) return newest;
  const found = await versionOf(deps, project, reference);
  if (!found || found.kind === 'report') return found;
  const { nodes } = await deps.catalog.lineage(project, found.id, 'down', { depthLimit: 1 });
  return nodes.filter((node) => node.kind === 'report').toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0];
}

export function loadReport(deps: LaunchDeps, project: string, { meta }: FoundReport): Promise<Report> {
  return getJson(deps.objects, project, meta.report, EvaluationReport);
}

/** The report with everything that is known of its version. */
export async function reportDocument(deps: LaunchDeps, project: string, found: FoundReport): Promise<PageDocument> {
  return reportPage(await loadReport(deps, project, found), await factsOf(deps, project, found.meta.version));
}

async function factsOf(deps: LaunchDeps, project: string, id: string): Promise<PageFacts> {
  const version = await deps.catalog.get(project, id);
  const meta = AnyModelMeta.safeParse(version.meta).data;
  const { name, number, createdAtMs } = version;
  const common = { name, number, version: id, createdAtMs };
  if (!meta) return common;
  return {
    ...common,
    trainer: meta.trainer,
    leaderboard: meta.leaderboard === undefined ? undefined : await optional(getJson(deps.objects, project, meta.leaderboard, Candidates)),
    reference: meta.referenceSketches === undefined ? undefined : await optional(referenceOf(deps, project, meta.referenceSketches)),
    times: await optional(timesOf(deps, project, meta.metadata)),
  };
}

/** Inputs that are times. @param metadata SHA-256 of JSON with the input contract. */
async function timesOf(deps: LaunchDeps, project: string, metadata: string): Promise<string[]> {
  const { contract } = await getJson(deps.objects, project, metadata, ModelMetadata);
  return contract.fields.filter((field) => field.type === 'timestamp').map((field) => field.name);
}

/** Parts that older versions lack, or that were erased, are left out of a page rather than failing it. */
function optional<T>(promise: Promise<T>): Promise<T | undefined> {
  return promise.catch(() => undefined);
}

async function referenceOf(deps: LaunchDeps, project: string, sha256: string): Promise<ReferenceField[]> {
  const { fields } = await getJson(deps.objects, project, sha256, Sketches);
  return Object.entries(fields)
    .slice(0, REFERENCE_FIELD_LIMIT)
    .map(([field, json]) => {
      const sketch = FieldSketch.fromJson(json);
      return {
        field,
        count: sketch.count,
        missing: sketch.missing,
        parts: sketch.kind === 'number' ? partsOf(sketch) : [],
        values: sketch.kind === 'number' ? [] : valuesOf(sketch),
      };
    });
}

/** Shares between equally wide edges; what lies beyond the outer hundredths is counted in the outer parts. */
function partsOf(sketch: FieldSketch): ReferenceField['parts'] {
  if (sketch.present === 0) return [];
  const [low, high] = [sketch.quantile(0.01), sketch.quantile(0.99)];
  if (!(high > low)) return [];
  const edge = (index: number) => low + (index * (high - low)) / PART_COUNT;
  const below = (index: number) => (index === 0 ? 0 : index === PART_COUNT ? 1 : sketch.cdf(edge(index)));
  return Array.from({ length: PART_COUNT }, (_, index) => ({
    from: edge(index),
    to: edge(index + 1),
    share: Math.max(0, below(index + 1) - below(index)),
  }));
}

function valuesOf(sketch: FieldSketch): ReferenceField['values'] {
  return sketch.topValues(VALUE_LIMIT).map(({ value, count }) => ({ value: value ?? '(rare)', share: count / Math.max(1, sketch.count) }));
}

/** The card of a model or dataset version, from recorded facts. @throws {NotFoundError} for what has no card. */
export async function cardDocument(deps: LaunchDeps, project: string, reference: string): Promise<PageDocument> {
  const version = await versionOf(deps, project, reference);
  if (!version) throw new NotFoundError(`There is no version "${reference}".`, { help: 'List them with: slipway versions' });
  if (version.kind === 'dataset') return datasetDocument(deps, project, version);
  const forecaster = ForecasterMeta.safeParse(version.meta).data;
  if (forecaster) return forecasterCard(deps, project, version, forecaster);
  const targetless = UnsupervisedMeta.safeParse(version.meta).data;
  if (targetless) return targetlessCard(deps, project, version, targetless);
  const meta = LaunchedModelMeta.safeParse(version.meta).data;
  if (!meta) throw new NotFoundError(`The version "${reference}" has no card.`, { help: 'Models made by a launch and datasets have one.' });
  const metadata = await getJson(deps.objects, project, meta.metadata, ModelMetadata);
  const made = Elsewhere.safeParse(version.meta).data;
  if (made) return finishedModelCard(await factsOf(deps, project, version.id), metadata, { ...made, principal: version.principal });
  const found = await findReport(deps, project, version.id);
  return modelCard(await loadReport(deps, project, found), {
    ...(await factsOf(deps, project, version.id)),
    principal: version.principal,
    params: meta.params,
    seed: meta.seed,
    dataset: await trainingData(deps, project, version.id),
    inputs: metadata.contract.fields.map(({ name, type, role }) => ({ name, type, role })),
  });
}

/** What the catalog keeps of a model that was made elsewhere. */
const Elsewhere = z.looseObject({
  source: z.looseObject({ file: z.string(), fileName: z.string() }),
  metrics: z.record(z.string(), z.object({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() })),
});

/** A model made elsewhere was judged elsewhere: its card says what its file and the reference data say. */
function finishedModelCard(
  facts: PageFacts,
  { contract, task, classes, target, notes }: ModelMetadata,
  { source, metrics, principal }: z.infer<typeof Elsewhere> & { readonly principal: string },
): PageDocument {
  const producer = notes?.['producer'];
  const known = Object.entries(metrics);
  return {
    title: `Model card: ${facts.name ?? source.fileName}${facts.number === undefined ? '' : ` version ${facts.number}`}`,
    lead: [`A ${task} model made elsewhere. Slipway serves and watches it, and has not judged it.`],
    facts: [],
    sections: [
      {
        id: 'details',
        title: 'Model',
        tables: [
          {
            head: ['fact', 'value'],
            rows: [
              ['version', facts.version ?? '–'],
              ['file', source.fileName],
              ['SHA-256 of the file', source.file],
              ['made with', typeof producer === 'string' && producer !== '' ? producer : '–'],
              ['brought by', principal],
              ['task', task],
              ['target', target === '' ? '–' : target],
              ['classes', classes === null ? '–' : classes.join(', ')],
            ],
          },
        ],
      },
      {
        id: 'inputs',
        title: 'Inputs',
        tables: [{ head: ['column', 'type', 'role'], rows: contract.fields.map(({ name, type, role }) => [name, type, role]) }],
      },
      {
        id: 'metrics',
        title: 'On the reference data',
        texts:
          known.length === 0
            ? ['There are no reference data with a truth, so nothing is known of how good it is.']
            : ['Rows that it learnt from flatter it.'],
        tables: known.length === 0 ? [] : [{ head: ['metric', 'value'], rows: known.map(([name, found]) => [name, showInterval(found)]) }],
      },
      ...(facts.reference
        ? [{ id: 'reference', title: 'Watched', texts: [`Monitors compare ${facts.reference.length} fields with the reference data.`] }]
        : []),
    ],
  };
}

async function trainingData(deps: LaunchDeps, project: string, version: string): Promise<string | undefined> {
  const { nodes } = await deps.catalog.lineage(project, version, 'up', { depthLimit: 1 });
  const data = nodes.find((node) => node.kind === 'dataset');
  return data && `${data.name} version ${data.number} (${data.id})`;
}

async function forecasterCard(deps: LaunchDeps, project: string, version: Version, meta: ForecasterMeta): Promise<PageDocument> {
  const { target, time, series, horizon, level, covariates } = await getJson(deps.objects, project, meta.metadata, ForecastMetadata);
  return modelCard(await loadReport(deps, project, await findReport(deps, project, version.id)), {
    ...(await factsOf(deps, project, version.id)),
    trainer: meta.trainer,
    principal: version.principal,
    params: { horizon, level },
    seed: meta.seed,
    dataset: await trainingData(deps, project, version.id),
    inputs: [
      { name: time, type: 'timestamp', role: 'time' },
      ...(series === null ? [] : [{ name: series, type: 'string', role: 'series' }]),
      { name: target, type: 'float64', role: 'target' },
      ...covariates.map((name) => ({ name, type: 'float64', role: 'known' })),
    ],
  });
}

async function targetlessCard(deps: LaunchDeps, project: string, version: Version, meta: UnsupervisedMeta): Promise<PageDocument> {
  const { contract, params } = await getJson(deps.objects, project, meta.metadata, UnsupervisedMetadata);
  return modelCard(await loadReport(deps, project, await findReport(deps, project, version.id)), {
    ...(await factsOf(deps, project, version.id)),
    principal: version.principal,
    params,
    seed: meta.seed,
    dataset: await trainingData(deps, project, version.id),
    inputs: contract.fields.map(({ name, type, role }) => ({ name, type, role })),
  });
}

async function datasetDocument(deps: LaunchDeps, project: string, version: Version): Promise<PageDocument> {
  const meta = metaOf(version);
  if (!meta) throw new NotFoundError(`The dataset version "${version.id}" was retired.`);
  const profile = await deps.data.loadProfile(project, meta);
  const roles = new Map(meta.columns.map((column) => [column.name, column.role]));
  return datasetCard({
    name: version.name,
    version: version.id,
    number: version.number,
    rows: meta.rows,
    duplicateRows: profile.duplicateRows,
    source: null,
    rowsHash: meta.rowsHash,
    createdAtMs: version.createdAtMs,
    principal: version.principal,
    columns: profile.columns.map((column) => ({
      name: column.name,
      type: column.type,
      role: roles.get(column.name) ?? 'ignored',
      missing: column.missing,
      distinct: column.distinct,
      minimum: column.type === 'timestamp' ? null : column.numbers?.minimum,
      maximum: column.numbers?.maximum,
    })),
    notes: meta.notes.map(({ column, note }) => (column ? `${column}: ${note}` : note)),
  });
}
