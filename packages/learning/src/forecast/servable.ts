import {
  type Call,
  CancelledError,
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
import { InferenceError, ModelTimeoutError, ModelVersionError, openModel } from '@slipway/models';
import { type ForecastAnswer, ForecastMetadata, ForecastState, ForecastVersionMeta } from './contract.ts';
import { answerShape } from './call-contract.ts';
import { lazyExplainer } from '../explain/lazy-explainer.ts';
import { PLAIN_DATA_LIMIT_BYTES } from '../explain/plain-data.ts';
import { ForecastExplainer, unpackForecastExplainer } from './explain.ts';
import { graphFrame, graphMetadata } from './export-forecaster.ts';
import type { Forecast, Forecaster } from './forecaster.ts';
import { stepTime } from './frequency.ts';
import { prepareForecasts } from './predict.ts';
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
  readonly clock?: Pick<Clock, 'monotonicMs'>;
}

/** A forecaster as a servable: a call names a series and gets its next steps with intervals. */
export async function openForecaster(options: OpenForecasterOptions): Promise<Servable<Row, ForecastAnswer>> {
  const { metadata, version, clock = systemClock } = options;
  const model = await openModel({
    ...options.source,
    metadata: graphMetadata(metadata.features.length),
    ...(options.serving ? { serving: options.serving } : {}),
  });
  const { forecaster, series } = forecasterOf(metadata, options.state);
  const parts = { metadata, forecaster, series };
  return {
    version,
    input: metadata.contract,
    output: answerShape(),
    invoke: async (calls) => {
      const nowMs = clock.monotonicMs();
      const read = calls.map((call) => refusalOf(call, nowMs) ?? readSafely(parts, call.input));
      const live = read.filter((each): each is ReadCall => !(each instanceof PlatformError));
      const prepared = prepareForecasts(forecaster, live);
      const run = async () => {
        if (prepared.matrix.rowCount === 0) return [];
        const { values } = await model.predict(graphFrame(prepared.matrix));
        return values ?? [];
      };
      try {
        const forecasts = prepared.finish(await run());
        let next = 0;
        return read.map((each): Result<ForecastAnswer> => {
          if (each instanceof PlatformError) return { status: 'error', error: each };
          const forecast = forecasts[next] as Forecast;
          next += 1;
          return answerOf(parts, each, forecast);
        });
      } catch (thrown) {
        const error = thrown instanceof PlatformError ? thrown : new InferenceError('The forecaster failed.', { cause: thrown });
        return calls.map(() => ({ status: 'error', error }));
      }
    },
    explain: lazyExplainer(version, options.explainer, (bytes) => {
      const explainer = new ForecastExplainer(parts, unpackForecastExplainer(bytes), async (matrix) => {
        const { values } = await model.predict(graphFrame(matrix));
        return values ?? [];
      });
      return (row, asked) => explainer.explain(row, asked);
    }),
    capacity: model.capacity,
    dispose: async () => model.close(),
  };
}

export interface ServingParts {
  readonly metadata: ForecastMetadata;
  readonly forecaster: Forecaster;
  readonly series: ReadonlyMap<string, SeriesData>;
}

function refusalOf({ context: { signal, deadlineMs } }: Call<Row>, nowMs: number): PlatformError | undefined {
  if (signal?.aborted) return new CancelledError('The call was cancelled before the forecaster answered.');
  if (deadlineMs !== undefined && deadlineMs <= nowMs)
    return new ModelTimeoutError("The call's deadline passed before the forecaster answered.");
  return undefined;
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
