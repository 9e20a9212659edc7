import {
  type Clock,
  type Json,
  PlatformError,
  type Result,
  type Row,
  type Servable,
  type ServableLoader,
  type ServingSettings,
  type VersionRef,
  parseJson,
  systemClock,
  toRfc3339,
} from '@slipway/kernel';
import {
  AnswerQueue,
  type CallOptions,
  InferenceError,
  ModelVersionError,
  type OpenModelOptions,
  type RowSource,
  invokeRows,
  openModel,
} from '@slipway/models';
import type { EncodedMatrix } from '../matrix.ts';
import { type ForecastAnswer, ForecastMetadata, ForecastState, ForecastVersionMeta } from './contract.ts';
import { answerShape } from './call-contract.ts';
import { lazyExplainer } from '../explain/lazy-explainer.ts';
import { PLAIN_DATA_LIMIT_BYTES } from '../explain/plain-data.ts';
import { ForecastExplainer, unpackForecastExplainer } from './explain.ts';
import { graphFrame, graphMetadata } from './export-forecaster.ts';
import type { Forecast, Forecaster } from './forecaster.ts';
import { stepTime } from './frequency.ts';
import { type Query, prepareForecasts } from './predict.ts';
import { type ReadCall, readCall } from './read-call.ts';
import type { SeriesData } from './series.ts';
import { forecasterOf } from './state.ts';

/** Most bytes of a forecaster's stored metadata and of the ends of its series. */
const METADATA_LIMIT_BYTES = 64 * 2 ** 20;
const STATE_LIMIT_BYTES = 512 * 2 ** 20;

export interface ForecastLoaderDeps {
  readonly catalog: { get(project: string, id: string): Promise<{ readonly kind: string; readonly meta: Json }> };
  readonly objects: {
    localPath(project: string, sha256: string): Promise<string>;
    read(project: string, sha256: string, limitBytes?: number): Promise<Uint8Array>;
  };
  readonly clock?: Pick<Clock, 'monotonicMs'>;
  /** Told of every run of calls. */
  readonly onRun?: OpenModelOptions['onRun'];
}

/** Loads versions of kind `model`: forecasters here, all others by `otherwise`. */
export function forecastLoader(deps: ForecastLoaderDeps, otherwise: ServableLoader): ServableLoader {
  return {
    kind: 'model',
    async load(project, version, serving) {
      const { meta } = await deps.catalog.get(project, version.id);
      const parsed = ForecastVersionMeta.safeParse(meta);
      if (!parsed.success) return otherwise.load(project, version, serving);
      const { metadata, state } = await readForecaster(deps, project, parsed.data);
      const path = await deps.objects.localPath(project, parsed.data.onnx);
      // Servable is generic in what it takes; releases hand over whatever passed the input contract.
      const { explainer } = parsed.data;
      return (await openForecaster({
        version,
        metadata,
        state,
        source: { path },
        serving: serving ?? {},
        onRun: deps.onRun,
        explainer: explainer === undefined ? undefined : () => deps.objects.read(project, explainer, PLAIN_DATA_LIMIT_BYTES),
        clock: deps.clock ?? systemClock,
      })) as Servable;
    },
  };
}

/** The stored metadata and series of a forecaster. @throws {ModelVersionError} when they cannot be read. */
export async function readForecaster(
  { objects }: Pick<ForecastLoaderDeps, 'objects'>,
  project: string,
  meta: ForecastVersionMeta,
): Promise<{ metadata: ForecastMetadata; state: ForecastState }> {
  const read = async (sha256: string, limit: number) => parseJson(new TextDecoder().decode(await objects.read(project, sha256, limit)));
  const metadata = ForecastMetadata.safeParse(await read(meta.metadata, METADATA_LIMIT_BYTES));
  const state = ForecastState.safeParse(await read(meta.state, STATE_LIMIT_BYTES));
  if (metadata.success && state.success) return { metadata: metadata.data, state: state.data };
  const issue = metadata.error?.issues[0] ?? state.error?.issues[0];
  throw new ModelVersionError(`The forecaster cannot be read: ${issue?.path.join('.')} ${issue?.message}`);
}

export interface OpenForecasterOptions {
  readonly version: VersionRef;
  readonly metadata: ForecastMetadata;
  readonly state: ForecastState;
  readonly source: { readonly path: string } | { readonly bytes: Uint8Array };
  /** Reads the stored explainer; called when an explanation is first asked for. */
  readonly explainer?: (() => Promise<Uint8Array>) | undefined;
  readonly serving?: ServingSettings | undefined;
  /** Told of every run of calls. */
  readonly onRun?: OpenModelOptions['onRun'];
  readonly clock?: Pick<Clock, 'monotonicMs'>;
}

/** A forecaster as a servable: a call names a series and gets its next steps with intervals. */
export async function openForecaster(options: OpenForecasterOptions): Promise<Servable<Row, ForecastAnswer>> {
  const { metadata, version, serving, clock = systemClock } = options;
  const model = await openModel({
    ...options.source,
    metadata: graphMetadata(metadata.features.length),
    ...(serving ? { serving } : {}),
  });
  const { forecaster, series } = forecasterOf(metadata, options.state);
  const parts = { metadata, forecaster, series };
  const correct = async (matrix: EncodedMatrix) => (matrix.rowCount === 0 ? [] : ((await model.predict(graphFrame(matrix))).values ?? []));
  const forecast = async (asked: readonly Query[]) => {
    const prepared = prepareForecasts(forecaster, asked);
    return prepared.finish(await correct(prepared.matrix));
  };
  const rowMs = await measureForecast(parts, forecast, clock);
  const queue = new AnswerQueue<ReadCall, Forecast>({
    answer: forecast,
    // Smoothing is computed on the event loop's thread, wherever the trees are.
    rowLimit: Math.min(RUN_CALLS_MAX, Math.max(1, Math.floor(RUN_BUDGET_MS / rowMs))),
    lanes: model.facts.lanes,
    rowMs,
    model: model.capacity,
    serving,
    onRun: (facts) => options.onRun?.(facts, model.lane),
  });
  const source = new ForecastSource(parts, queue);
  return {
    version,
    input: metadata.contract,
    output: answerShape(),
    invoke: (calls) => invokeRows(source, calls, clock.monotonicMs()),
    explain: lazyExplainer(version, options.explainer, (bytes) => {
      const explainer = new ForecastExplainer(parts, unpackForecastExplainer(bytes), correct);
      return (row, asked) => explainer.explain(row, asked);
    }),
    capacity: queue,
    dispose: async () => {
      queue.close();
      await model.close();
    },
  };
}

/** Most forecasts of one run, and how long they may take together. */
const RUN_CALLS_MAX = 64;
const RUN_BUDGET_MS = 4;
/** Forecasts by which a forecaster is measured and warmed up before its first call. */
const MEASURED_FORECASTS = 5;
/** What a forecast is taken to cost where there is no series to measure with, in milliseconds. */
const FORECAST_MS_DEFAULT = 1;

/** Median of what one forecast of the longest series takes, in milliseconds. */
async function measureForecast(
  { series, metadata }: ServingParts,
  forecast: (asked: readonly Query[]) => Promise<unknown>,
  clock: Pick<Clock, 'monotonicMs'>,
): Promise<number> {
  let longest: SeriesData | undefined;
  for (const each of series.values()) if (each.values.length > (longest?.values.length ?? 0)) longest = each;
  if (!longest) return FORECAST_MS_DEFAULT;
  const asked = { series: withFuture(longest, metadata.horizon), origin: longest.values.length, level: metadata.level };
  const times: number[] = [];
  for (let round = 0; round < MEASURED_FORECASTS; round += 1) {
    const startedMs = clock.monotonicMs();
    await forecast([asked]);
    times.push(clock.monotonicMs() - startedMs);
  }
  return times.toSorted((a, b) => a - b)[MEASURED_FORECASTS >> 1] as number;
}

/** Known columns as far as a forecast goes, with nothing known. */
function withFuture(series: SeriesData, horizon: number): SeriesData {
  const length = series.values.length + horizon;
  const covariates = series.covariates.map((covariate) => {
    const longer = new Float64Array(length).fill(Number.NaN);
    longer.set(covariate.subarray(0, length));
    return longer;
  });
  return { ...series, covariates };
}

/** What was understood of a call with its forecast, or what is wrong with it. */
type Answered = PlatformError | { readonly read: ReadCall; readonly forecast: Forecast };

/** Calls are read when they arrive, so that a wrong one is told so at once; those that were understood wait for their forecast. */
class ForecastSource implements RowSource<readonly Answered[], ForecastAnswer> {
  readonly canBeLeft = true;
  readonly #parts: ServingParts;
  readonly #queue: AnswerQueue<ReadCall, Forecast>;

  constructor(parts: ServingParts, queue: AnswerQueue<ReadCall, Forecast>) {
    this.#parts = parts;
    this.#queue = queue;
  }

  async compute(rows: readonly Row[], options: CallOptions): Promise<readonly Answered[]> {
    const { priority = 'interactive', deadlineMs } = options;
    // Reading copies a series: too much work for a call that is refused.
    const refused = this.#queue.refusal({ rowCount: rows.length, priority, deadlineMs });
    if (refused) throw refused;
    const read = rows.map((row) => readSafely(this.#parts, row));
    const live = read.filter((each): each is ReadCall => !(each instanceof PlatformError));
    const forecasts = live.length === 0 ? [] : await this.#queue.add(live, options);
    let next = 0;
    return read.map((each) => (each instanceof PlatformError ? each : { read: each, forecast: forecasts[next++] as Forecast }));
  }

  resultOf(answers: readonly Answered[], row: number): Result<ForecastAnswer> {
    const answered = answers[row] as Answered;
    if (answered instanceof PlatformError) return { status: 'error', error: answered };
    return answerOf(this.#parts, answered.read, answered.forecast);
  }
}

export interface ServingParts {
  readonly metadata: ForecastMetadata;
  readonly forecaster: Forecaster;
  readonly series: ReadonlyMap<string, SeriesData>;
}

function readSafely(parts: ServingParts, input: Row): ReadCall | PlatformError {
  try {
    return readCall(parts, input);
  } catch (thrown) {
    if (thrown instanceof PlatformError) return thrown;
    throw thrown;
  }
}

function answerOf({ metadata }: ServingParts, call: ReadCall, forecast: Forecast): Result<ForecastAnswer> {
  const first = call.series.startIndex + call.origin;
  const points = Array.from({ length: call.horizon }, (_, step) => ({
    time: toRfc3339(stepTime(metadata.frequency, first + step)),
    value: forecast.values[step] as number,
    low: forecast.low[step] as number,
    high: forecast.high[step] as number,
  }));
  if (points.some(({ value, low, high }) => !Number.isFinite(value) || !Number.isFinite(low) || !Number.isFinite(high)))
    return { status: 'error', error: new InferenceError('The forecaster answered with no finite number.') };
  const output: ForecastAnswer = {
    prediction: points[0]?.value ?? 0,
    forecast: points,
    series: metadata.series === null ? null : call.series.id,
    lastKnown: call.origin > 0 ? toRfc3339(stepTime(metadata.frequency, first - 1)) : null,
    level: call.level,
    ...(call.notes.length > 0 ? { notes: call.notes } : {}),
  };
  return { status: 'ok', output };
}
