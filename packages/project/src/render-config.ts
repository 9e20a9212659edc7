import type { GateDefinition } from '@slipway/evaluation/contract';
import { MonitorSettings } from '@slipway/monitoring/contract';
import type { LaunchDefinition, ReadOptions } from './contract.ts';

/** TypeScript that, applied, makes exactly what a resolved launch made. */
export function renderConfig(
  definition: LaunchDefinition,
  files: { readonly dataPath: string; readonly testPath: string | undefined },
): string {
  const { read, train, gates, split } = definition;
  const { reader, code: source } = renderSource(files.dataPath, read);
  const metrics = (gates ?? []).map(renderGate);
  const uses = new Set([
    'dataset',
    'defineProject',
    'model',
    'release',
    reader,
    train.kind,
    ...(definition.baseline ? ['rules'] : []),
    ...(definition.retrain ? ['retrain'] : []),
    ...(definition.monitor ? ['monitor'] : []),
    ...([...metrics, ...(definition.moreGates ?? []).map(renderGate)].some((gate) => gate.startsWith('metric(')) ? ['metric'] : []),
  ]);
  const data = fields({
    source: raw(source),
    contract: definition.contract,
    exclude: nonEmpty(definition.exclude),
    as: Object.keys(definition.as).length > 0 ? definition.as : undefined,
    time: definition.time,
    group: definition.group,
    subject: definition.subject,
  });
  const trained = fields({
    from: raw('data'),
    target: definition.target === '' ? undefined : definition.target,
    unsupervised: definition.unsupervised,
    positive: definition.positive,
    task: definition.task,
    query: definition.query,
    forecast: definition.forecast,
    loss: definition.loss,
    monotone: definition.monotone,
    interactions: definition.interactions,
    test: files.testPath === undefined ? undefined : raw(renderSource(files.testPath, read).code),
    train: raw(train.kind === 'auto' ? `auto(${literal({ seconds: train.seconds })})` : `${train.kind}(${literal(train.params)})`),
    baseline: definition.baseline ? raw(`rules(${literal(definition.baseline.params)})`) : undefined,
    seed: definition.seed,
    split,
    gates: metrics.length > 0 ? raw(`[${metrics.join(', ')}]`) : undefined,
    moreGates:
      definition.moreGates && definition.moreGates.length > 0 ? raw(`[${definition.moreGates.map(renderGate).join(', ')}]`) : undefined,
    objective: definition.objective,
    sensitive: nonEmpty(definition.sensitive),
    mitigate: definition.mitigate,
    immutable: nonEmpty(definition.immutable),
    acceptLeak: nonEmpty(definition.acceptLeak),
  });
  return `import { ${[...uses].toSorted().join(', ')} } from 'slipway';

const data = dataset(${literal(definition.dataset)}, ${data});

const trained = model(${literal(definition.name)}, ${trained});

const live = release(${literal(definition.release ?? definition.name)}, ${renderServed('trained', definition)});

export default defineProject('default', [data, trained, live]);
`;
}

/** A file as a call of the reader for its format. */
export function renderSource(path: string, { format, ...rest }: ReadOptions): { readonly reader: string; readonly code: string } {
  const reader = format ?? 'file';
  return { reader, code: `${reader}(${literal(path)}${Object.keys(rest).length > 0 ? `, ${literal(rest)}` : ''})` };
}

/** What a release says beside its name: the same for every kind of model. */
export function renderServed(
  model: string,
  definition: Pick<LaunchDefinition, 'recording' | 'environment' | 'rollout' | 'serving'> & {
    readonly retrain?: LaunchDefinition['retrain'];
    readonly monitor?: MonitorSettings | undefined;
  },
): string {
  return fields({
    serve: raw(model),
    recording: definition.recording === 'full' ? undefined : definition.recording,
    environment: definition.environment === 'production' ? undefined : definition.environment,
    rollout: definition.rollout,
    serving: definition.serving && Object.keys(definition.serving).length > 0 ? definition.serving : undefined,
    retrain: definition.retrain && raw(`retrain(${literal(definition.retrain)})`),
    monitor: definition.monitor && raw(`monitor(${literal(beyondDefaults(definition.monitor))})`),
  });
}

/** What differs from the defaults, so that a reader sees what somebody decided. */
function beyondDefaults(settings: MonitorSettings): Partial<MonitorSettings> {
  const defaults: Readonly<Record<string, unknown>> = MonitorSettings.parse({});
  return Object.fromEntries(Object.entries(settings).filter(([name, value]) => literal(value) !== literal(defaults[name])));
}

function renderGate(gate: GateDefinition): string {
  if (gate.kind === 'betterThanBaseline') return `metric(${literal(gate.metric)}).betterThan('baseline')`;
  if (gate.kind === 'betterThanRules') return `metric(${literal(gate.metric)}).betterThan('rules')`;
  if (gate.kind === 'metric' && gate.atLeast !== undefined && gate.atMost === undefined)
    return `metric(${literal(gate.metric)}).atLeast(${gate.atLeast})`;
  if (gate.kind === 'metric' && gate.atMost !== undefined && gate.atLeast === undefined)
    return `metric(${literal(gate.metric)}).atMost(${gate.atMost})`;
  return literal(gate);
}

class Raw {
  readonly code: string;
  constructor(code: string) {
    this.code = code;
  }
}

export const raw = (code: string) => new Raw(code);

export function fields(values: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `  ${name}: ${value instanceof Raw ? value.code : literal(value)},`);
  return `{\n${lines.join('\n')}\n}`;
}

export function nonEmpty(list: readonly string[]): readonly string[] | undefined {
  return list.length > 0 ? list : undefined;
}

/** A value as TypeScript source: single quotes, bare keys where they may be. */
export function literal(value: unknown): string {
  if (typeof value === 'string') return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).map(([key, item]) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : literal(key)}: ${literal(item)}`);
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
  }
  return JSON.stringify(value);
}
