import { metaOf } from '@slipway/data';
import type { Version } from '@slipway/catalog';
import type { Profile } from '@slipway/data/contract';
import { type Contract, type Json, type WorkflowContext, type WorkflowDefinition, canonicalJson, defineWorkflow } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import { ForeignOptions, ModelMetadata, importModel } from '@slipway/models';
import { getJson, putJson } from '../json-object.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import type { z } from 'zod';
import { type LaunchedModelMeta, ReleaseStep } from '../launch-state.ts';
import { publishVersion } from '../publish-version.ts';
import { referenceSketches } from '../reference-sketches.ts';
import { exampleRow } from '../example-row.ts';
import { ModelLaunchRequest, type ModelLaunchResult } from './contract.ts';
import { ImportStep, ImportedVersionStep, ReferenceStep } from './import-state.ts';
import { judgeReference } from './judge-reference.ts';
import { candidateColumns, referenceFrame, withReference } from './reference-frame.ts';

export const MODEL_LAUNCH_WORKFLOW = 'project.launch-model';
/** Raised when the same file and options would give another graph. */
const IMPORT_CODE_VERSION = 1;
/** Reference rows that a model is tried with. */
const TRIED_ROWS = 64;
/** Largest ONNX file that is accepted for import: it goes through memory. */
const MODEL_LIMIT_BYTES = 512 * 1024 ** 2;

/**
 * `file -> (reference data) -> one graph in the house's form -> version -> revision`: a model made elsewhere goes live. Durable steps
 * as in every launch; the file is read in a limited process.
 */
export function modelLaunchWorkflow(deps: LaunchDeps): WorkflowDefinition {
  return defineWorkflow({
    name: MODEL_LAUNCH_WORKFLOW,
    version: 1,
    input: ModelLaunchRequest,
    queue: 'launch',
    run: async (context, request) => asJson(await launchModel(deps, context, request)),
  });
}

const asJson = (value: unknown): Json => JSON.parse(canonicalJson(value)) as Json;

async function launchModel(deps: LaunchDeps, context: WorkflowContext, request: ModelLaunchRequest): Promise<ModelLaunchResult> {
  const reference = ReferenceStep.parse(await context.step('reference', async () => asJson(await referenceStep(deps, context, request))));
  const imported = ImportStep.parse(await context.step('import', async () => asJson(await importStep(deps, context, request, reference))));
  const made = ImportedVersionStep.parse(
    await context.step('version', async () => asJson(await versionStep(deps, context, request, { reference, imported }))),
  );
  const released = ReleaseStep.parse(
    await context.step('release', async () =>
      asJson(await publishVersion(deps, context, { definition: request.definition, version: made.version, mode: request.mode })),
    ),
  );
  if (!released) throw new Error('Broken invariant: an imported model is always released');
  await context.progress({
    phase: 'done',
    ratio: 1,
    message: `${released.name} revision ${released.revision} is ${released.rollout === null ? 'live' : 'in a rollout'}`,
  });
  return describe(deps, context, { reference, imported, made, released });
}

async function referenceStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  { definition, reference }: ModelLaunchRequest,
): Promise<ReferenceStep> {
  if (!reference) return null;
  const { name, dataset = `${name.slice(0, 54)}-reference`, read, target, subject } = definition;
  await context.progress({ phase: 'data', message: reference.fileName });
  const { version } = await deps.data.ingestVersion({
    project: context.project,
    principal: context.principal,
    run: context.run,
    signal: context.signal,
    name: dataset,
    source: { ...read, upload: reference.sha256 },
    ...(target === undefined ? {} : { target }),
    ...(subject === undefined ? {} : { subject }),
  });
  return { dataset: version.id };
}

/** Reads the file in a limited process and stores the derived graph and its metadata. */
async function importStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  { definition, model }: ModelLaunchRequest,
  reference: ReferenceStep,
): Promise<ImportStep> {
  const { project } = context;
  await context.progress({ phase: 'import', message: `reading and trying ${model.fileName}` });
  const { columns, as, task, classes, output, scores, target } = definition;
  const options = ForeignOptions.parse(JSON.parse(JSON.stringify({ columns, as, task, classes, output, scores, target })));
  const known = reference && (await deps.data.dataset(project, reference.dataset)).meta;
  const imported = await importModel(await deps.objects.read(project, model.sha256, MODEL_LIMIT_BYTES), {
    options,
    signal: context.signal,
    ...(known
      ? {
          columns: candidateColumns(known, definition),
          rows: (await deps.data.readRows(project, known, { offset: 0, limit: TRIED_ROWS })).rows,
        }
      : {}),
  });
  const contract = known
    ? withReference(imported.metadata.contract, await deps.data.loadContract(project, known), definition)
    : withSubject(imported.metadata.contract, definition.subject);
  const metadata = { ...imported.metadata, contract };
  return {
    onnx: (await deps.objects.put(project, imported.bytes)).sha256,
    metadata: await putJson(deps.objects, project, metadata),
    notes: [...imported.notes],
  };
}

function withSubject(contract: Contract, subject: string | undefined): Contract {
  if (subject === undefined) return contract;
  const isField = contract.fields.some((field) => field.name === subject);
  return { ...contract, subject, ignored: isField ? contract.ignored : [...contract.ignored, subject] };
}

interface ImportedParts {
  readonly reference: ReferenceStep;
  readonly imported: ImportStep;
}

/** Registers the version; what the reference rows look like and how good the model is on them is kept with it. */
async function versionStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  { definition, model }: ModelLaunchRequest,
  { reference, imported }: ImportedParts,
): Promise<ImportedVersionStep> {
  const { project } = context;
  const metadata = await getJson(deps.objects, project, imported.metadata, ModelMetadata);
  const watched = await watchReference(deps, context, definition.target, { reference, imported }, metadata);
  const dataset = reference && (await deps.catalog.get(project, reference.dataset));
  const meta: z.input<typeof LaunchedModelMeta> = {
    onnx: imported.onnx,
    metadata: imported.metadata,
    ...(watched ? { referenceSketches: watched.sketches } : {}),
    task: metadata.task as z.input<typeof LaunchedModelMeta>['task'],
    classes: metadata.classes,
    positive: metadata.positive,
    target: metadata.target,
    trainer: metadata.trainer,
    params: {},
    seed: 0,
    parity: { maxError: 0 },
    leaderboard: await putJson(deps.objects, project, []),
  };
  const { name } = definition;
  const { version, created } = await deps.records.transaction((tx) =>
    deps.catalog.register(tx, {
      project,
      kind: 'model',
      name,
      recipe: hashJson({
        kind: 'slipway.imported/1',
        code: IMPORT_CODE_VERSION,
        file: model.sha256,
        metadata: imported.metadata,
        reference: contentOf(dataset),
      }),
      content: hashJson({ onnx: imported.onnx, metadata: imported.metadata }),
      run: context.run,
      principal: context.principal.id,
      meta: asJson({ ...meta, source: { file: model.sha256, fileName: model.fileName }, metrics: watched?.metrics ?? {} }),
      parents: reference ? [{ id: reference.dataset, role: 'reference-data' }] : [],
    }),
  );
  return { version: version.id, created: created || version.run === context.run, metrics: watched?.metrics ?? {} };
}

function contentOf(dataset: Version | null): string | null {
  return dataset ? (metaOf(dataset)?.rowsHash ?? dataset.content) : null;
}

async function watchReference(
  deps: LaunchDeps,
  context: WorkflowContext,
  target: string | undefined,
  { reference, imported }: ImportedParts,
  metadata: ModelMetadata,
): Promise<{ sketches: string; metrics: ImportedVersionStep['metrics'] } | undefined> {
  if (!reference) return undefined;
  const { project } = context;
  await context.progress({ phase: 'reference', message: 'what the model is compared with from now on' });
  const { meta } = await deps.data.dataset(project, reference.dataset);
  const frame = await referenceFrame(deps, project, meta, metadata);
  const sides = { train: { frame }, test: { frame } };
  const sketches = await referenceSketches(deps.objects, project, { trained: imported, prepared: sides, classes: metadata.classes });
  if (target === undefined) return { sketches, metrics: {} };
  const truth = (await deps.data.loadFrame(project, meta, [target])).columns.get(target);
  const path = await deps.objects.localPath(project, imported.onnx);
  return { sketches, metrics: truth ? await judgeReference(path, metadata, frame, truth, context.signal) : {} };
}

async function describe(
  deps: LaunchDeps,
  { project, run }: WorkflowContext,
  done: ImportedParts & { readonly made: ImportedVersionStep; readonly released: NonNullable<ReleaseStep> },
): Promise<ModelLaunchResult> {
  const { reference, imported, made, released } = done;
  const metadata = await getJson(deps.objects, project, imported.metadata, ModelMetadata);
  const meta = reference && (await deps.data.dataset(project, reference.dataset)).meta;
  const producer = metadata.notes?.['producer'];
  return {
    release: { ...released, url: `${deps.publicUrl()}/v1/releases/${released.name}/predict` },
    version: made.version,
    created: made.created,
    task: metadata.task as ModelLaunchResult['task'],
    classes: metadata.classes,
    producer: typeof producer === 'string' ? producer : '',
    inputs: metadata.contract.fields.map(({ name, type, role, nullable }) => ({ name, type, role, nullable })),
    reference: reference?.dataset ?? null,
    metrics: made.metrics,
    notes: imported.notes,
    example: exampleRow(metadata.contract, meta ? await deps.data.loadProfile(project, meta) : EMPTY_PROFILE),
    run,
  };
}

const EMPTY_PROFILE: Profile = { format: 'slipway.profile/1', rows: 0, duplicateRows: 0, columns: [] };
