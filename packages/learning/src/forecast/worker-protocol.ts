import type { FeatureLayout } from './features.ts';
import type { ForecastTrial, ParitySample } from './evaluate-forecaster.ts';
import type { TrainedForecaster } from './train-forecaster.ts';
import type { SeriesData } from './series.ts';

export interface ForecastWork {
  readonly layout: FeatureLayout;
  /** Whole series; the forecaster learns from what lies before the first of a series' origins. */
  readonly series: readonly SeriesData[];
  /** Origins to judge by, per series. */
  readonly origins: readonly (readonly number[])[];
  readonly level: number;
  readonly seed: number | string;
}

export interface ForecastDone extends TrainedForecaster {
  readonly trials: readonly ForecastTrial[];
  readonly parity: ParitySample;
  readonly bytes: Uint8Array;
  /** What explains its answers, packed. */
  readonly explainer: Uint8Array;
}

export type ForecastReply =
  | { readonly type: 'progress'; readonly ratio: number; readonly message: string }
  | { readonly type: 'done'; readonly value: ForecastDone }
  | { readonly type: 'failed'; readonly message: string; readonly stack: string | undefined };
