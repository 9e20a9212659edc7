import { Script } from 'node:vm';
import { MonitorSettings } from '@slipway/monitoring/contract';
import { describe, expect, it } from 'vitest';
import {
  csv,
  dataset,
  defineProject,
  file,
  model,
  monitor,
  planLaunches,
  planModelLaunches,
  release,
  renderModelConfig,
} from './define.ts';
import { renderConfig } from './render-config.ts';

const data = dataset('loans', { source: csv('loans.csv') });
const learned = model('loan', { from: data, target: 'paid' });
const WATCHED = monitor({
  window: '7d',
  groups: ['gender'],
  thresholds: { drift: 0.3 },
  fields: { amount: { wassersteinDrift: 1 } },
  objectives: [{ kind: 'errors', atMost: 0.001 }],
  quality: { roc_auc: { atLeast: 0.8 } },
});

function first<T>(planned: readonly T[]): T {
  if (planned.length !== 1) throw new Error(`${planned.length} launches were planned`);
  return planned[0] as T;
}

function plannedWith(settings: Parameters<typeof monitor>[0] | undefined) {
  const live = release('loan', { serve: learned, ...(settings === undefined ? {} : { monitor: settings }) });
  return first(planLaunches(defineProject('bank', [data, learned, live]))).definition;
}

/** What is written between `monitor(` and its end, read as the program that applies it would. */
function settingsIn(config: string): unknown {
  return new Script(`(${/monitor: monitor\((.*)\),\n/.exec(config)?.[1]})`).runInThisContext();
}

describe('the monitor in a definition', () => {
  it('is the settings of the API, defaults filled in; without one nothing is set', () => {
    expect(plannedWith(WATCHED).monitor).toEqual(MonitorSettings.parse(WATCHED));
    expect(plannedWith(undefined).monitor).toBeUndefined();
  });

  it('is written out by a saved configuration, without the defaults, and reads back the same', () => {
    const definition = plannedWith(WATCHED);
    const text = renderConfig(definition, { dataPath: 'loans.csv', testPath: undefined });
    expect(text).toMatch(/import \{.*\bmonitor\b.*\} from 'slipway'/);
    expect(text).not.toContain('everyMinutes');
    expect(MonitorSettings.parse(settingsIn(text))).toEqual(definition.monitor);
    expect(renderConfig(plannedWith(undefined), { dataPath: 'loans.csv', testPath: undefined })).not.toContain('monitor');
  });

  it('goes with a model made elsewhere as well', () => {
    const finished = model('credit', { onnx: file('model.onnx') });
    const project = defineProject('bank', [finished, release('credit', { serve: finished, monitor: WATCHED })]);
    const { definition } = first(planModelLaunches(project));
    const text = renderModelConfig(definition, { modelPath: 'model.onnx', referencePath: undefined });
    expect(MonitorSettings.parse(settingsIn(text))).toEqual(MonitorSettings.parse(WATCHED));
    expect(text).toMatch(/import \{.*\bmonitor\b.*\} from 'slipway'/);
  });

  it('is refused by the name of what is wrong', () => {
    expect(() => plannedWith({ everyMinutes: 0 })).toThrow(/Release "loan": monitor.everyMinutes/);
    expect(() => plannedWith({ windows: '1h' } as never)).toThrow(/Release "loan": monitor: .*windows/);
  });
});
