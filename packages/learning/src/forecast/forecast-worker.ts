import { parentPort } from 'node:worker_threads';
import { tryForecaster } from './evaluate-forecaster.ts';
import { packForecastExplainer } from './explain.ts';
import { exportForecaster } from './export-forecaster.ts';
import { featureNames } from './features.ts';
import { trainForecaster } from './train-forecaster.ts';
import type { ForecastReply, ForecastWork } from './worker-protocol.ts';

/** The thread that trains and judges a forecaster; one request, one reply. */

const PROGRESS_INTERVAL_MS = 200;
let lastProgressMs = 0;

function reply(message: ForecastReply): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  parentPort?.postMessage(message);
}

function progress(ratio: number, message: string): void {
  const now = Date.now();
  if (now - lastProgressMs < PROGRESS_INTERVAL_MS) return;
  lastProgressMs = now;
  reply({ type: 'progress', ratio, message });
}

/** Share of the time that judging takes. */
const JUDGING_RATIO = 0.1;

parentPort?.on('message', ({ layout, series, origins, level, seed }: ForecastWork) => {
  try {
    const training = series.map((each, index) => ({ ...each, values: each.values.slice(0, origins[index]?.[0] ?? each.values.length) }));
    const trained = trainForecaster({
      layout,
      series: training,
      seed,
      onProgress: (ratio, message) => progress(ratio * (1 - JUDGING_RATIO), message),
    });
    const judged = tryForecaster(trained.forecaster, series, origins, level, (ratio) =>
      progress(1 - JUDGING_RATIO + ratio * JUDGING_RATIO, 'judging'),
    );
    const bytes = exportForecaster(trained.forecaster.forest, featureNames(layout).length);
    const explainer = packForecastExplainer(trained.forecaster.forest, trained.covers);
    reply({ type: 'done', value: { ...trained, ...judged, bytes, explainer } });
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    reply({ type: 'failed', message: error.message, stack: error.stack });
  }
});
