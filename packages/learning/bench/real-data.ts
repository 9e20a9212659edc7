/**
 * Trains on the real sets and prints scores, times and the largest difference between trainer and graph.
 *   npx node packages/learning/bench/real-data.ts [--seconds 30] [--threads 2] [--folds 1] [adult telco breast housing wine titanic]
 */
import { type Frame, takeRows } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom, multiclassLogLoss, rmse, rocAuc } from '@slipway/statistics';
import { parseArgs } from 'node:util';
import { prepareTarget, train, type TrainedModel } from '../src/index.ts';
import { compareWithGraph } from '../src/testing/open-fitted.ts';
import { readRealSet, type RealSet, type RealSetName } from '../src/testing/real-data.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '30' },
    threads: { type: 'string', default: '2' },
    folds: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
});
const names = (positionals.length > 0 ? positionals : ['breast', 'wine', 'telco', 'housing', 'adult', 'titanic']) as RealSetName[];
const print = (line: string) => process.stdout.write(`${line}\n`);

function* splits(set: RealSet): Generator<{ train: Int32Array; test: Int32Array }> {
  const all = Int32Array.from({ length: set.frame.rowCount }, (_, row) => row);
  if (set.testRows > 0) {
    yield { train: all.slice(0, -set.testRows), test: all.slice(-set.testRows) };
    return;
  }
  createRandom('split').shuffle(all);
  for (let fold = 0; fold < Number(options.folds); fold += 1) {
    yield { train: all.filter((_, at) => at % 5 !== fold).toSorted(), test: all.filter((_, at) => at % 5 === fold).toSorted() };
  }
}

function score(model: TrainedModel, frame: Frame, target: Float64Array): string {
  const outputs = model.predict(frame);
  if (outputs.values) return `RMSE ${rmse(outputs.values, target).toFixed(4)}`;
  const probabilities = outputs.probabilities ?? new Float32Array(0);
  const classCount = model.classes?.length ?? 2;
  const loss = multiclassLogLoss(probabilities, target, classCount).toFixed(4);
  return classCount === 2
    ? `AUC ${rocAuc(
        probabilities.filter((_, at) => at % 2 === 1),
        target,
      ).toFixed(4)} log loss ${loss}`
    : `log loss ${loss}`;
}

for (const name of names) {
  const set = readRealSet(name);
  const prepared = prepareTarget(set.frame, set.target);
  for (const split of splits(set)) {
    const targetOf = (rows: Int32Array) => Float64Array.from(rows, (row) => prepared.target[row] as number);
    const model = await train({
      frame: takeRows(set.frame, split.train),
      contract: set.contract,
      task: prepared.task,
      target: targetOf(split.train),
      classes: prepared.classes,
      seconds: Number(options.seconds),
      threads: Number(options.threads),
      seed: 1,
    });
    const test = takeRows(set.frame, split.test);
    const { trainer, graph } = await compareWithGraph(model.fitted, set.contract, set.frame);
    const parity = maxParityError(trainer.probabilities ?? trainer.values ?? [], graph.probabilities ?? graph.values ?? [], model.task);
    const { prepare, search, refit, total } = model.seconds;
    print(
      `${name}: ${score(model, test, targetOf(split.test))} | ${model.trainer} ${model.selection.candidate} rounds ${String(model.params['rounds'] ?? '-')} of ${model.leaderboard.length} tried | ` +
        `prepare ${prepare.toFixed(2)} search ${search.toFixed(1)} refit ${refit.toFixed(2)} total ${total.toFixed(1)} s | ONNX ${(model.bytes.length / 1024).toFixed(0)} KB | parity ${parity.maxError.toExponential(1)}`,
    );
    if (options.verbose)
      for (const entry of model.leaderboard)
        print(
          `    ${entry.id} ${JSON.stringify(entry.scores)} rounds ${entry.rounds} ${entry.seconds.toFixed(1)} s${entry.chosen ? ' *' : ''}`,
        );
  }
}
