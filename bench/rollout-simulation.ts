/**
 * What the always-valid statistics of a rollout promise, measured by simulation. Run: node bench/rollout-simulation.ts [runs] [seed]
 * Exits with 1 when a promise is broken. Targets (issue 4): superiority under no difference in <= 5 % of runs with 10,000 looks
 * (upper 95 % Monte-Carlo bound <= 6 %, familywise over goals); a drop from 95 to 93 % success rolled back before the
 * forecast's 90th percentile in >= 90 % of 500 runs.
 */
import {
  type ArmSums,
  EMPTY_SUMS,
  type Random,
  addSums,
  anytimeInterval,
  bucketOf,
  checkSampleRatio,
  createRandom,
  forecastUnits,
  judgeGoal,
  judgeGuardrail,
  normalQuantile,
  pairedDifference,
  quantileRatio,
  stratifiedDifference,
  unpairedSpread,
} from '../packages/statistics/src/index.ts';

const RUNS = Number(process.argv[2] ?? 2_000);
const SEED = process.argv[3] ?? 'rollout';
const LOOKS = 10_000;
const LEVEL_ALPHA = 0.05;
const broken: string[] = [];

interface Goal {
  readonly margin: number;
  readonly pseudo: number;
  /** Value of one unit, more being better. */
  readonly draw: (random: Random, isCandidate: boolean) => number;
}

const rate = (share: number, margin: number): Goal => ({ margin, pseudo: 0.5, draw: (random) => Number(random.next() < share) });
const cost: Goal = { margin: 0.15, pseudo: 0.15, draw: (random) => -Math.exp(random.normal()) };

const plus = ({ count, sum, squares }: ArmSums, value: number): ArmSums => ({
  count: count + 1,
  sum: sum + value,
  squares: squares + value * value,
});

/** Upper end of the Monte-Carlo interval (Wilson, one-sided 95 %). */
function upperBound(hits: number, runs: number): number {
  const z = normalQuantile(0.95);
  const p = hits / runs;
  const centre = p + (z * z) / (2 * runs);
  return (centre + z * Math.sqrt((p * (1 - p)) / runs + (z * z) / (4 * runs * runs))) / (1 + (z * z) / runs);
}

function report(name: string, hits: number, runs: number, limit?: number): void {
  const upper = upperBound(hits, runs);
  const verdict = limit === undefined ? '' : upper <= limit ? `ok (<= ${limit})` : `BROKEN (> ${limit})`;
  if (limit !== undefined && upper > limit) broken.push(name);
  console.log(`${name.padEnd(86)} ${((100 * hits) / runs).toFixed(2).padStart(6)} %  upper 95 % ${(100 * upper).toFixed(2)} % ${verdict}`);
}

interface NullOptions {
  readonly share: number;
  readonly unitsPerLook: number;
  readonly minUnits: number;
}

/** One rollout without any difference: which verdicts are ever given in 10,000 looks. */
function nullRun(goals: readonly Goal[], random: Random, options: NullOptions) {
  const sums = goals.map(() => ({ champion: EMPTY_SUMS, candidate: EMPTY_SUMS }));
  const alpha = LEVEL_ALPHA / goals.length;
  let better = false;
  let worse = false;
  let naive = false;
  for (let look = 0; look < LOOKS; look += 1) {
    for (let unit = 0; unit < options.unitsPerLook; unit += 1) {
      const arm = random.next() < options.share ? 'candidate' : 'champion';
      goals.forEach((goal, index) => {
        const both = sums[index];
        if (both) both[arm] = plus(both[arm], goal.draw(random, arm === 'candidate'));
      });
    }
    goals.forEach((goal, index) => {
      const both = sums[index];
      if (!both || Math.min(both.champion.count, both.candidate.count) < options.minUnits) return;
      const { estimate, standardError } = stratifiedDifference([both], goal.pseudo);
      const verdict = judgeGoal(anytimeInterval(estimate, standardError, { alpha, effectScale: goal.margin }), goal.margin);
      better ||= verdict === 'better';
      worse ||= verdict === 'worse';
      // The broken statistic: a z-test of fixed size, read at every look.
      naive ||= estimate / standardError > 1.96;
    });
  }
  return { better, worse, naive };
}

function nullScenario(name: string, goals: readonly Goal[], options: NullOptions): void {
  const random = createRandom(`${SEED} ${name}`);
  let better = 0;
  let worse = 0;
  let naive = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const ended = nullRun(goals, random, options);
    better += Number(ended.better);
    worse += Number(ended.worse);
    naive += Number(ended.naive);
  }
  report(`null, ${name}: superiority declared`, better, RUNS, 0.06);
  report(`null, ${name}: rolled back for nothing`, worse, RUNS, 0.06);
  report(`  negative control, a z-test read at every look: superiority declared`, naive, RUNS);
  // Where hardly anything happens even a z-test with these careful variances is not wrong.
  if (goals.length > 1 && naive / RUNS < 0.1) broken.push(`${name}: the broken statistic was not noticed`);
}

/** A drop from 95 to 93 % at 50/50, looked at every `every` units. @returns units until `worse`. */
function dropRun(random: Random, goal: { margin: number; before: number; after: number }, every: number, limit: number): number {
  let champion = EMPTY_SUMS;
  let candidate = EMPTY_SUMS;
  for (let units = 1; units <= limit; units += 1) {
    if (random.next() < 0.5) candidate = plus(candidate, Number(random.next() < goal.after));
    else champion = plus(champion, Number(random.next() < goal.before));
    if (units % every !== 0) continue;
    const { estimate, standardError } = stratifiedDifference([{ champion, candidate }], 0.5);
    const interval = anytimeInterval(estimate, standardError, { alpha: LEVEL_ALPHA, effectScale: goal.margin });
    if (judgeGoal(interval, goal.margin) === 'worse') return units;
  }
  return Infinity;
}

function dropScenario(): void {
  const goal = { margin: 0.01, before: 0.95, after: 0.93 };
  const runs = 500;
  const every = 50;
  const spread = unpairedSpread(Math.sqrt(0.95 * 0.05), Math.sqrt(0.93 * 0.07), 0.5);
  const forecast = forecastUnits({ distance: 0.02, spread, alpha: LEVEL_ALPHA, effectScale: goal.margin });
  const p90 = forecast.p90 ?? Infinity;
  const random = createRandom(`${SEED} drop`);
  const needed = Array.from({ length: runs }, () => dropRun(random, goal, every, 10 * p90)).toSorted((a, b) => a - b);
  const inTime = needed.filter((units) => units <= p90 + every).length;
  console.log(
    `95 -> 93 % at 50/50: forecast median ${forecast.median}, p90 ${p90} units; seen median ${needed[249]}, p90 ${needed[449]} units`,
  );
  console.log(`  rolled back before the forecast's p90: ${inTime} of ${runs} = ${((100 * inTime) / runs).toFixed(1)} %`);
  if (inTime < 0.9 * runs) broken.push('drop: rolled back too late');
}

/** The same drop, both versions answering the same calls: how many calls until it is sure. */
function pairedScenario(): void {
  const runs = 500;
  const margin = 0.01;
  const random = createRandom(`${SEED} paired`);
  // The candidate breaks 3 % of what was right and mends 1 % of all: 95 -> 93 %.
  const needed = Array.from({ length: runs }, () => {
    let sums = EMPTY_SUMS;
    for (let units = 1; units <= 1e6; units += 1) {
      const draw = random.next();
      sums = plus(sums, draw < 0.03 ? -1 : draw < 0.04 ? 1 : 0);
      if (units % 25 !== 0) continue;
      const { estimate, standardError } = pairedDifference(sums, 0.5);
      if (judgeGoal(anytimeInterval(estimate, standardError, { alpha: LEVEL_ALPHA, effectScale: margin }), margin) === 'worse')
        return units;
    }
    return Infinity;
  }).toSorted((a, b) => a - b);
  console.log(`95 -> 93 % in paired shadow: seen median ${needed[249]}, p90 ${needed[449]} calls`);
}

/** Customers of many calls: analysed per unit the promise holds, call by call it does not. */
function clusteredScenario(): void {
  const random = createRandom(`${SEED} clustered`);
  const runs = Math.min(RUNS, 500);
  let perUnit = 0;
  let perCall = 0;
  for (let run = 0; run < runs; run += 1) {
    const units = { champion: EMPTY_SUMS, candidate: EMPTY_SUMS };
    const calls = { champion: EMPTY_SUMS, candidate: EMPTY_SUMS };
    let wrongUnit = false;
    let wrongCall = false;
    for (let unit = 0; unit < 3_000; unit += 1) {
      const arm = random.next() < 0.5 ? 'candidate' : 'champion';
      // A fifth of the customers, for reasons of their own, fail half of the time.
      const share = random.next() < 0.2 ? 0.5 : 0.99;
      const count = 1 + random.int(40);
      let good = 0;
      for (let call = 0; call < count; call += 1) good += Number(random.next() < share);
      units[arm] = plus(units[arm], good / count);
      calls[arm] = addSums(calls[arm], { count, sum: good, squares: good });
      if (unit < 100) continue;
      const isWrong = (sums: typeof units) => {
        const { estimate, standardError } = stratifiedDifference([sums], 0.5);
        const { low, high } = anytimeInterval(estimate, standardError, { alpha: LEVEL_ALPHA, effectScale: 0.01 });
        return low > 0 || high < 0;
      };
      wrongUnit ||= isWrong(units);
      wrongCall ||= isWrong(calls);
    }
    perUnit += Number(wrongUnit);
    perCall += Number(wrongCall);
  }
  report('null, customers of 1..40 calls, analysed per unit: any verdict', perUnit, runs, 0.07);
  report('  negative control, the same analysed call by call: any verdict', perCall, runs);
  if (perCall / runs < 0.1) broken.push('clustered: the broken statistic was not noticed');
}

/** Five steps of a canary while the success rate of both versions falls: only units of the same time may be compared. */
function stepsScenario(): void {
  const random = createRandom(`${SEED} steps`);
  const runs = Math.min(RUNS, 1_000);
  let stratified = 0;
  let pooledWrong = 0;
  for (let run = 0; run < runs; run += 1) {
    const strata = [0.01, 0.05, 0.25, 0.5].map((share, step) => ({
      share,
      success: 0.99 - 0.03 * step,
      champion: EMPTY_SUMS,
      candidate: EMPTY_SUMS,
    }));
    let wrong = false;
    let wrongPooled = false;
    for (const [step, stratum] of strata.entries()) {
      for (let unit = 1; unit <= 5_000; unit += 1) {
        const arm = random.next() < stratum.share ? 'candidate' : 'champion';
        stratum[arm] = plus(stratum[arm], Number(random.next() < stratum.success));
        if (unit % 20 !== 0) continue;
        const isWrong = (difference: ReturnType<typeof stratifiedDifference>) => {
          const { low, high } = anytimeInterval(difference.estimate, difference.standardError, { alpha: LEVEL_ALPHA, effectScale: 0.01 });
          return low > 0 || high < 0;
        };
        wrong ||= isWrong(stratifiedDifference(strata.slice(0, step + 1), 0.5));
        const pooled = strata.reduce(
          (sum, each) => ({ champion: addSums(sum.champion, each.champion), candidate: addSums(sum.candidate, each.candidate) }),
          { champion: EMPTY_SUMS, candidate: EMPTY_SUMS },
        );
        wrongPooled ||= isWrong(stratifiedDifference([pooled], 0.5));
      }
    }
    stratified += Number(wrong);
    pooledWrong += Number(wrongPooled);
  }
  report('null, canary 1-5-25-50 % while success falls from 99 to 90 %, by strata: any verdict', stratified, runs, 0.07);
  report('  negative control, the steps thrown together: any verdict', pooledWrong, runs);
  if (pooledWrong / runs < 0.1) broken.push('steps: the broken statistic was not noticed');
}

function latencyScenario(): void {
  const random = createRandom(`${SEED} latency`);
  const runs = Math.min(RUNS, 300);
  let falseAlarms = 0;
  const seen: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const counts = { champion: new Map<number, number>(), slow: new Map<number, number>(), same: new Map<number, number>() };
    const add = (map: Map<number, number>, value: number) => map.set(bucketOf(value), (map.get(bucketOf(value)) ?? 0) + 1);
    let alarmed = false;
    let found = Infinity;
    for (let unit = 1; unit <= 5_000; unit += 1) {
      add(counts.champion, 5 * Math.exp(0.6 * random.normal()));
      add(counts.same, 5 * Math.exp(0.6 * random.normal()));
      add(counts.slow, 8 * Math.exp(0.6 * random.normal()));
      if (unit % 50 !== 0) continue;
      const judge = (candidate: Map<number, number>) => {
        const ratio = quantileRatio(counts.champion, candidate, 0.95, LEVEL_ALPHA);
        return judgeGuardrail({ low: 1 - ratio.high, high: 1 - ratio.low }, 0);
      };
      alarmed ||= judge(counts.same) === 'worse';
      if (found === Infinity && judge(counts.slow) === 'worse') found = unit;
    }
    falseAlarms += Number(alarmed);
    seen.push(found);
  }
  report('null, 95th percentile of the latency: rolled back for nothing', falseAlarms, runs, 0.06);
  console.log(`p95 x 1.6 noticed after a median of ${seen.toSorted((a, b) => a - b)[Math.floor(runs / 2)]} units an arm`);
}

function sampleRatioScenario(): void {
  const random = createRandom(`${SEED} ratio`);
  let falseAlarms = 0;
  const seen: number[] = [];
  const runs = Math.min(RUNS, 1_000);
  for (let run = 0; run < runs; run += 1) {
    let candidate = 0;
    let lossy = 0;
    let lossyTotal = 0;
    let alarmed = false;
    let found = Infinity;
    for (let unit = 1; unit <= LOOKS; unit += 1) {
      const isCandidate = random.next() < 0.5;
      candidate += Number(isCandidate);
      // A candidate that loses 8 % of its units.
      const isLost = isCandidate && random.next() < 0.08;
      if (!isLost) lossyTotal += 1;
      if (isCandidate && !isLost) lossy += 1;
      alarmed ||= checkSampleRatio([{ candidate, champion: unit - candidate, share: 0.5 }]).mismatch;
      if (found === Infinity && checkSampleRatio([{ candidate: lossy, champion: lossyTotal - lossy, share: 0.5 }]).mismatch) found = unit;
    }
    falseAlarms += Number(alarmed);
    seen.push(found);
  }
  report('null, sample ratio at 10,000 looks: mismatch declared', falseAlarms, runs, 0.01);
  console.log(`8 % of the candidate's units lost: noticed after a median of ${seen.toSorted((a, b) => a - b)[Math.floor(runs / 2)]} units`);
}

console.log(`${RUNS} runs of ${LOOKS} looks, seed "${SEED}"`);
nullScenario('success 95 % and a skewed cost, 50/50, a look a unit', [rate(0.95, 0.01), cost], {
  share: 0.5,
  unitsPerLook: 1,
  minUnits: 50,
});
nullScenario('rare errors 0.1 %, canary of 5 %, a look every 5 units', [rate(0.999, 0.005)], {
  share: 0.05,
  unitsPerLook: 5,
  minUnits: 50,
});
nullScenario('four goals, 10/90', [rate(0.95, 0.01), rate(0.7, 0.02), rate(0.99, 0.005), cost], {
  share: 0.1,
  unitsPerLook: 2,
  minUnits: 50,
});
nullScenario('wide margins, so that the boundary is tight early', [rate(0.95, 0.05), rate(0.5, 0.1)], {
  share: 0.5,
  unitsPerLook: 1,
  minUnits: 20,
});
dropScenario();
pairedScenario();
clusteredScenario();
stepsScenario();
latencyScenario();
sampleRatioScenario();
if (broken.length > 0) {
  console.log(`BROKEN: ${broken.join('; ')}`);
  process.exitCode = 1;
}
