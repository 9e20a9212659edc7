import { FieldSketch, createRandom } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { MonitorReport, MonitorSettings, type Verdict } from '../contract.ts';
import { compareWithReference } from '../drift/compare-with-reference.ts';
import { judgeFairness } from '../fairness/judge-fairness.ts';
import { causeOfObjective } from '../objectives/objective-cause.ts';
import { findingsOf } from './finding.ts';

const FROM = '2026-03-01T00:00:00.000Z';
const TO = '2026-03-02T00:00:00.000Z';

/** A report over real sketches: `moved` inputs are a thousand times what they were. */
function report(moved: readonly string[], more: Partial<MonitorReport> = {}): MonitorReport {
  const random = createRandom(3);
  const draw = (count: number, factor: number) => {
    const sketch = new FieldSketch('number');
    for (let index = 0; index < count; index += 1) sketch.update((70 + 10 * random.normal()) * factor);
    return sketch;
  };
  const names = ['age', 'amount', 'height', 'weight', 'width'];
  const { fields, dataset, verdict } = compareWithReference({
    reference: new Map(names.map((name) => [name, draw(5_000, 1)])),
    current: new Map(names.map((name) => [name, draw(1_000, moved.includes(name) ? 1_000 : 1)])),
  });
  return MonitorReport.parse({
    release: 'churn',
    revision: 3,
    version: 'mv_1',
    window: { from: FROM, to: TO },
    invocations: 1_000,
    verdict,
    reference: { fields: names.length },
    fields,
    dataset,
    quality: null,
    ...more,
  });
}

const asked = MonitorSettings.parse({ quality: { accuracy: { atLeast: 0.9 } } });
const measured = { outcome: 'label', count: 500, skipped: 0, truncated: false, metrics: { accuracy: 0.7 } };
const concept = { verdict: 'drift' as Verdict, reason: 'the error rate rose from 0.1 to 0.3', error: null, changes: [] };
const causesOf = (found: MonitorReport, kind: string) =>
  findingsOf(found, asked).flatMap((each) => (each.kind === kind ? [each.cause] : []));

describe('what an alert says', () => {
  test('MO96 every alert names what it is about, the window, the size, a likely cause and the command that looks closer', () => {
    const cells = ['m', 'f'].flatMap((group) => [
      { group, prediction: 'yes', outcome: 'yes', count: group === 'm' ? 500 : 100 },
      { group, prediction: 'no', outcome: 'no', count: 500 },
      { group, prediction: 'no', outcome: 'yes', count: group === 'm' ? 10 : 300 },
    ]);
    const windows = [
      { windowMs: 300_000, calls: 100, bad: 50, burnRate: 50 },
      { windowMs: 259_200_000, calls: 86_400, bad: 900, burnRate: 1 },
    ];
    const objective = { kind: 'errors' as const, name: 'errors', atMost: 0.01 };
    const whole = report(['amount'], {
      quality: measured,
      concept,
      contract: [{ field: 'amount', rule: 'maximum', expected: 'at most 120', got: '70000', ratio: 1, verdict: 'drift' }],
      fairness: [judgeFairness(cells, { column: 'sex', favourable: 'yes' })],
      objectives: [
        {
          name: 'errors',
          objective,
          verdict: 'drift',
          reason: 'the budget is spent 50 times as fast as planned',
          windows,
          cause: causeOfObjective(objective, windows, [{ error: 'models/late' }]),
        },
      ],
      multivariate: {
        verdict: 'drift',
        reason: 'the AUC is 0.9',
        auc: null,
        counts: { reference: 1, current: 1 },
        columns: [{ column: 'amount', importance: 0.3 }],
      },
    });
    const findings = findingsOf(whole, asked);
    expect(new Set(findings.map(({ kind }) => kind))).toEqual(
      new Set(['drift', 'contract', 'objective', 'fairness', 'multivariate', 'concept', 'quality']),
    );
    for (const { kind, message, cause, command, about } of findings) {
      expect([kind, message]).toEqual([kind, expect.stringContaining(`(${FROM} to ${TO})`)]);
      expect([kind, message]).toEqual([kind, expect.stringMatching(/\d/)]);
      expect([kind, cause]).toEqual([kind, expect.stringMatching(/\w+ \w+/)]);
      expect(command).toMatch(/^slipway monitor churn --from \S+ --to \S+ (--groups sex )?--sections [a-z,]+$/);
      expect(about).not.toBe('');
    }
  });

  test('MO96 worse quality goes with the inputs that moved; where none did, with what they say about the outcome', () => {
    for (const kind of ['quality', 'concept']) {
      const [moved] = causesOf(report(['amount'], { quality: measured, concept }), kind);
      expect(moved).toMatch(/^inputs have moved at the same time: amount \(values are about 1000 times/);
      const [steady] = causesOf(report([], { quality: measured, concept }), kind);
      expect(steady).toMatch(/the inputs are as they were in training/);
      const [unknown] = causesOf(report([], { quality: measured, concept, reference: null, fields: [] }), kind);
      expect(unknown).toMatch(/^unknown: the version came without training data/);
    }
    const [many] = causesOf(report(['age', 'amount', 'height', 'weight'], { concept }), 'concept');
    expect(many).toMatch(/ and 1 more$/);
  });

  test('MO99 answers and their probabilities that move together are one alert, and its cause is what moved among the inputs', () => {
    const outputs = (moved: readonly string[]) => {
      const random = createRandom(5);
      const draw = (count: number, by: number) => {
        const sketch = new FieldSketch('number');
        for (let index = 0; index < count; index += 1) sketch.update(random.normal() + by);
        return sketch;
      };
      const names = ['amount', 'prediction', 'probability:no', 'probability:yes'];
      const { fields, dataset } = compareWithReference({
        reference: new Map(names.map((name) => [name, draw(5_000, 0)])),
        current: new Map(names.map((name) => [name, draw(1_000, moved.includes(name) ? 2 : 0)])),
        datasetRatio: 1,
      });
      return findingsOf(report([], { fields: [...fields], dataset: { ...dataset, verdict: 'warn' } }), asked).map(
        ({ about, message, cause }) => ({
          about,
          message,
          cause,
        }),
      );
    };
    const alone = outputs(['prediction', 'probability:yes', 'probability:no']);
    expect(alone.map(({ about }) => about)).toEqual(['prediction']);
    expect(alone[0]?.message).toMatch(/^\S+: PSI .*; so have \S+, \S+ \(/);
    expect(alone[0]?.cause).toMatch(/^the median went/);
    const caused = outputs(['amount', 'probability:yes']);
    expect(caused.map(({ about }) => about)).toEqual(['amount', 'prediction']);
    expect(caused[1]?.cause).toMatch(/^inputs have moved at the same time: amount \(the median/);
    expect(outputs([])).toEqual([]);
  });

  test('MO96 a group that gets less is either known less well or has fewer cases; without outcomes it is not guessed', () => {
    const cells = (found: number, missed: number, known = true) =>
      [
        { group: 'm', prediction: 'yes', outcome: 'yes', count: 800 },
        { group: 'm', prediction: 'no', outcome: 'yes', count: 200 },
        { group: 'f', prediction: 'yes', outcome: 'yes', count: found },
        { group: 'f', prediction: 'no', outcome: 'yes', count: missed },
        { group: 'f', prediction: 'no', outcome: 'no', count: 1_000 - found - missed },
      ].map((cell) => (known ? cell : { ...cell, outcome: null }));
    const causeWith = (rows: ReturnType<typeof cells>) =>
      causesOf(report([], { fairness: [judgeFairness(rows, { column: 'sex', favourable: 'yes' })] }), 'fairness')[0];
    expect(causeWith(cells(100, 300))).toMatch(/found 25 % of "f" and 80 % of "m": it knows the group less well/);
    expect(causeWith(cells(160, 40))).toMatch(/found 80 % of "f" and 80 % of "m": in "f" they are rarer/);
    expect(causeWith(cells(160, 40, false))).toMatch(/^unknown: without outcomes/);
  });

  test('MO97 an objective says what its calls failed of, whether calls became more or slower, or what one costs', () => {
    const windows = (burst: number, longest = 86_400) => [
      { windowMs: 300_000, calls: 100 * burst, bad: 50, burnRate: 50 },
      { windowMs: 259_200_000, calls: longest, bad: 60, burnRate: 30 },
    ];
    const latency = { kind: 'latency' as const, name: 'latency', thresholdMs: 100, atMost: 0.01 };
    expect(causeOfObjective(latency, windows(5), [])).toMatch(/^calls come 5 times as often/);
    expect(causeOfObjective(latency, windows(1), [])).toMatch(/^no more calls than usual/);
    expect(causeOfObjective(latency, windows(5, 600), [])).toMatch(/^unknown: there are too few earlier calls/);
    const cost = { kind: 'cost' as const, name: 'cost', microsPerCall: 300 };
    expect(causeOfObjective(cost, [{ windowMs: 1, calls: 10, bad: 25, burnRate: 2.5 }], [])).toMatch(/costs 750 millionths now, 300 are/);
    const errors = { kind: 'errors' as const, name: 'errors', atMost: 0.01 };
    const codes = ['a', 'b', 'b', 'c', 'd', null].map((error) => ({ error }));
    expect(causeOfObjective(errors, windows(1), codes)).toBe('of the latest 6 failed calls: b (2), a (1), c (1) and 2 other codes');
    expect(causeOfObjective(errors, windows(1), [])).toMatch(/^unknown/);
  });
});
