import { parentPort } from 'node:worker_threads';
import { PlatformError, takeRows } from '@slipway/kernel';
import { encodeFrame } from '../preparation.ts';
import { describeClusters, describeComponents } from './describe.ts';
import { packUnsupervisedExplainer } from './explain.ts';
import { exportUnsupervised, unsupervisedContract } from './export.ts';
import { FIT_ROW_LIMIT, fitUnsupervised, outputsOf, prepareUnsupervised, sampleRows } from './fit.ts';
import { judgeUnsupervised } from './judge.ts';
import type { UnsupervisedDone, UnsupervisedReply, UnsupervisedWork } from './worker-protocol.ts';

/** The thread that fits and judges a model without a target; one request, one reply. */

const PARITY_ROWS = 2_000;

function reply(message: UnsupervisedReply): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  parentPort?.postMessage(message);
}

parentPort?.on('message', (work: UnsupervisedWork) => {
  try {
    reply({ type: 'done', value: run(work) });
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const known = error instanceof PlatformError ? error : undefined;
    reply({
      type: 'failed',
      error: { code: known?.code ?? null, message: error.message, details: known?.details ?? {}, help: known?.help, stack: error.stack },
    });
  }
});

function run({ contract, train, test, labels, options }: UnsupervisedWork): UnsupervisedDone {
  reply({ type: 'progress', ratio: 0, message: 'preparing columns' });
  const preparation = prepareUnsupervised(contract, train, options.kind);
  const rows = encodeFrame(preparation, train);
  reply({ type: 'progress', ratio: 0.1, message: 'fitting' });
  const fitted = fitUnsupervised(rows, options);
  reply({ type: 'progress', ratio: 0.5, message: 'judging' });
  const unseen = encodeFrame(preparation, test);
  const judgement = judgeUnsupervised({ fitted, options, train: rows, test: unseen, labels });
  const first = takeRows(
    test,
    Array.from({ length: Math.min(PARITY_ROWS, test.rowCount) }, (_, row) => row),
  );
  const { prediction, features, width } = outputsOf(fitted, encodeFrame(preparation, first));
  return {
    bytes: exportUnsupervised({ preparation, fitted }),
    explainer: packUnsupervisedExplainer({ preparation, fitted }, rows, options.seed),
    contract: unsupervisedContract(contract, preparation),
    features: preparation.features.map((plan) => plan.name),
    excluded: preparation.excluded,
    count: fitted.kind === 'cluster' ? fitted.clustering.count : fitted.kind === 'reduce' ? fitted.components.count : 0,
    threshold: fitted.kind === 'anomaly' ? fitted.threshold : null,
    judgement,
    tried: fitted.kind === 'cluster' ? fitted.tried : [],
    clusters: fitted.kind === 'cluster' ? describeClusters(fitted, preparation, sampleRows(rows, FIT_ROW_LIMIT, options.seed)) : [],
    components: fitted.kind === 'reduce' ? describeComponents(fitted, preparation) : [],
    parity: { rows: first.rowCount, prediction, features, width },
  };
}
