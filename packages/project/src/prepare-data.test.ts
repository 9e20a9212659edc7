import assert from 'node:assert/strict';
import { Contract } from '@slipway/kernel';
import { MonitorSettings } from '@slipway/monitoring/contract';
import { describe, test } from 'vitest';
import { LaunchDefinition } from './contract.ts';
import { LaunchInvalidError } from './errors.ts';
import { requireForecastColumns, requireForecastOptions } from './forecast/forecast-data.ts';
import { requireAsked, unlikeLabels } from './prepare-data.ts';

const field = (name: string, role: string) => ({ name, type: role === 'numeric' ? 'float64' : 'string', role, nullable: true });
const CONTRACT = Contract.parse({
  format: 'slipway.contract/1',
  fields: [field('age', 'numeric'), field('city', 'categorical'), field('pays', 'categorical')],
  ignored: ['key'],
});
const definitionOf = (changes: Partial<LaunchDefinition>) => ({
  ...LaunchDefinition.parse({ name: 'm', dataset: 'm', target: 'pays' }),
  ...changes,
});
const BINARY = { task: 'binary', classes: ['no', 'yes'] } as const;
const ask = (changes: Partial<LaunchDefinition>) => () => requireAsked(CONTRACT, definitionOf(changes), BINARY);

describe('what a definition asks of a table', () => {
  test.each<[string, Partial<LaunchDefinition>, RegExp]>([
    ['a sensitive column that is none', { sensitive: ['citi'] }, /no column "citi" \(sensitive\).*"city"/],
    ['an immutable column that is none', { immutable: ['x'] }, /no column "x" \(immutable\)/],
    ['an accepted leak that is no column', { acceptLeak: ['x'] }, /no column "x" \(acceptLeak\)/],
    [
      'a group to watch that is none',
      { monitor: MonitorSettings.parse({ groups: ['citi'] }) },
      /no column "citi" \(monitor.groups\).*"city"/,
    ],
    ['a monotone column that is none', { monotone: { x: 'increasing' } }, /no column "x" \(monotone\)/],
    ['an interaction of a column that is none', { interactions: [['age', 'x']] }, /no column "x" \(interactions\)/],
    ['a monotone text', { monotone: { city: 'increasing' } }, /"city" cannot be monotone: it is read as categorical/],
    ['a monotone column that is excluded', { monotone: { age: 'increasing' }, exclude: ['age'] }, /"age" is named as monotone/],
    ['the target as sensitive', { sensitive: ['pays'] }, /"pays" is the target; it cannot be named as sensitive/],
    ['the target as monotone', { monotone: { pays: 'increasing' } }, /"pays" is the target/],
    ['costs of numbers for two classes', { objective: { costPerUnitError: { over: 1, under: 2 } } }, /costs for errors of a number/],
    ['mitigation without groups', { mitigate: 'thresholds' }, /needs to know the groups/],
  ])('%s is refused by name', (_what, changes, said) => {
    assert.throws(ask(changes), (error) => error instanceof LaunchInvalidError && said.test(error.message));
  });

  test('what fits is not refused: ignored columns and findings about the split may be named', () => {
    ask({
      sensitive: ['city', 'key'],
      immutable: ['age'],
      acceptLeak: ['age', '@groups'],
      monotone: { age: 'increasing' },
      interactions: [['age', 'city']],
    })();
  });
});

describe('what a forecast is told', () => {
  const forecast = (changes: Partial<LaunchDefinition>) =>
    definitionOf({ target: 'y', time: 't', forecast: { known: [], level: 0.9 }, ...changes });

  test.each<Partial<LaunchDefinition>>([
    { loss: { kind: 'poisson' } },
    { sensitive: ['city'] },
    { group: 'city' },
    { monotone: { age: 'increasing' } },
    { objective: { costPerUnitError: { over: 1, under: 2 } } },
    { split: { strategy: 'random', testRatio: 0.2, seed: 1 } },
  ])('refuses what would silently do nothing: %j', (changes) => {
    assert.throws(() => requireForecastOptions(forecast(changes)), /A forecast takes no "/);
  });

  test('takes the rest, and names a column that is none', () => {
    requireForecastOptions(forecast({ split: { strategy: 'auto', testRatio: 0.1, seed: 2 }, exclude: ['x'] }));
    requireForecastColumns(['t', 'y'], forecast({}));
    assert.throws(() => requireForecastColumns(['t', 'sale'], forecast({ target: 'sales' })), /no column "sales"\. Did you mean "sale"\?/);
  });
});

test('labels that a person would read as one are named', () => {
  assert.match(
    unlikeLabels(['No', 'Yes', 'Yes ', 'yes', 'no way', 'NO']) ?? '',
    /different classes: "No", "NO"; "Yes", "Yes ", "yes"; write/,
  );
  assert.equal(unlikeLabels(['No', 'Yes']), undefined);
  assert.equal(unlikeLabels(null), undefined);
});
