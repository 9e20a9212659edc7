import { canonicalJson } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { EvaluationReport, buildReport, decideGates, defaultGates, evaluate, renderPageMarkdown, reportPage } from './index.ts';

async function makeReport(target = 'Churn') {
  const random = createRandom('report');
  const truth = Int32Array.from({ length: 300 }, () => random.int(2));
  const probabilities = Float32Array.from({ length: 600 }, (_, at) => (truth[at >> 1] === at % 2 ? 0.5 + random.next() / 2 : 0.4));
  for (let row = 0; row < 300; row += 1) probabilities[row * 2] = 1 - (probabilities[row * 2 + 1] as number);
  const classes = ['No', 'Yes | "maybe"'];
  const evaluation = await evaluate({
    task: 'binary',
    classes,
    positive: null,
    truth,
    predictions: { probabilities },
    trainTruth: truth,
    seed: 4,
    resamples: 200,
  });
  const gates = defaultGates('binary');
  const leakage = [
    { column: 'a<b>', kind: 'suspicious', reason: 'too good', evidence: { score: 0.999 }, action: 'needs-acceptance' },
  ] as const;
  const facts = { ...evaluation, parity: { maxError: 2e-8 }, leaks: leakage, acceptedLeaks: [], latency: { p95Ms: 0.3 } };
  const importances = {
    metric: 'roc_auc' as const,
    rows: 300,
    repeats: 3,
    fields: [{ field: 'tenure', importance: 0.2, deviation: 0.01 }],
  };
  return buildReport({
    evaluation,
    target,
    classes,
    positive: classes[1] ?? null,
    gates,
    gateResults: decideGates(gates, facts),
    importances,
    leakage,
    parity: facts.parity,
    latency: { p50Ms: 0.2, p95Ms: 0.3 },
    timings: { evaluate: 0.4 },
  });
}

test('a report is what its schema says, survives JSON, and is the same bytes for the same seed', async () => {
  const report = await makeReport();
  expect(EvaluationReport.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  expect(canonicalJson(report)).toBe(canonicalJson(await makeReport()));
  expect(EvaluationReport.safeParse({ ...report, surprise: 1 }).success).toBe(false);
});

test('the page names verdict, metrics, baseline, gates, leaks, importance and confusion', async () => {
  const page = renderPageMarkdown(reportPage(await makeReport()));
  for (const part of [
    '1 of 4 gates failed',
    '| roc_auc (primary) |',
    'over the baseline (majority)',
    '| leakage | failed |',
    'tenure',
    '## Confusion',
  ]) {
    expect(page).toContain(part);
  }
});

test('text from the data cannot break out of its cell or become markup', async () => {
  const page = renderPageMarkdown(reportPage(await makeReport('x\n# injected <script>')));
  expect(page).not.toMatch(/^# injected/m);
  expect(page).not.toContain('<script>');
  expect(page).toContain('a\\<b\\>');
  expect(page).toContain('Yes \\| "maybe"');
});
