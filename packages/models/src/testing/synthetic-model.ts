import type { Contract, Field, Row } from '@slipway/kernel';
import type { ModelMetadata } from '../contract.ts';
import { GraphBuilder, ML_DOMAIN } from '../onnx/graph-builder.ts';

export interface SyntheticOptions {
  readonly numeric: number;
  readonly categorical: number;
  readonly times?: number;
  readonly trees: number;
  /** Depth of each complete tree: 2^depth leaves. */
  readonly depth: number;
  readonly task?: 'binary' | 'multiclass' | 'regression';
  readonly seed?: number;
}

export interface SyntheticModel {
  readonly bytes: Uint8Array;
  readonly metadata: ModelMetadata;
  /** Random rows of the model's contract, with missing values and unknown categories among them. */
  rows(count: number): Row[];
}

const LEVELS = ['red', 'green', 'blue', 'teal', 'pink', 'grey', 'black', 'white'];
/** INT64_MIN stands for a missing time. */
const MISSING_TIME = -(2n ** 63n);
const CLASSES = { binary: ['no', 'yes'], multiclass: ['a', 'b', 'c'], regression: null } as const;

/** A seeded generator (mulberry32); enough for synthetic rows, not for statistics. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A model of the shape that learning exports (columns -> features -> trees -> probabilities), with random trees. */
export function syntheticModel(options: SyntheticOptions): SyntheticModel {
  const random = seededRandom(options.seed ?? 1);
  const task = options.task ?? 'binary';
  const fields = fieldsOf(options);
  const graph = new GraphBuilder('synthetic');
  const features = fields.map((field) => addFeature(graph, field));
  graph.op('Concat', features, { axis: 1 }, { output: 'features' });
  const targets = task === 'multiclass' ? 3 : 1;
  const raw = graph.op('TreeEnsembleRegressor', ['features'], randomTrees(options, fields.length, targets, random), {
    domain: ML_DOMAIN,
    ...(task === 'regression' ? { output: 'prediction' } : {}),
  });
  addOutputs(graph, raw, task, fields.length);
  return { bytes: graph.build(), metadata: metadataOf(fields, task), rows: (count) => randomRows(fields, count, random) };
}

function fieldsOf({ numeric, categorical, times = 0 }: SyntheticOptions): Field[] {
  return [
    ...fieldsLike(numeric, { name: 'n', type: 'float64', role: 'numeric' }),
    ...fieldsLike(categorical, { name: 'c', type: 'string', role: 'categorical' }),
    ...fieldsLike(times, { name: 't', type: 'timestamp', role: 'time' }),
  ];
}

function fieldsLike(count: number, { name, type, role }: Pick<Field, 'name' | 'type' | 'role'>): Field[] {
  return Array.from({ length: count }, (_, i) => ({ name: `${name}${i}`, type, role, nullable: true, expect: {}, severity: 'warn' }));
}

function addFeature(graph: GraphBuilder, field: Field): string {
  if (field.role === 'categorical') {
    const input = graph.input(field.name, 'string', ['N', 1]);
    const values = { keys_strings: LEVELS, values_floats: LEVELS.map((_, code) => code), default_float: -1 };
    return graph.op('LabelEncoder', [input], values, { domain: ML_DOMAIN });
  }
  if (field.role === 'time') {
    const input = graph.input(field.name, 'int64', ['N', 1]);
    const missing = graph.op('Equal', [input, graph.constant([MISSING_TIME], [1])]);
    const days = graph.op('Div', [graph.op('Cast', [input], { to: 11 }), graph.constant(new Float64Array([86_400_000]))]);
    return graph.op('Cast', [graph.op('Where', [missing, graph.constant(new Float64Array([Number.NaN])), days])], { to: 1 });
  }
  return graph.op('Cast', [graph.input(field.name, 'double', ['N', 1])], { to: 1 });
}

function randomTrees({ trees, depth }: SyntheticOptions, featureCount: number, targets: number, random: () => number) {
  const size = 2 ** (depth + 1) - 1;
  const inner = 2 ** depth - 1;
  const nodes = {
    treeids: [] as number[],
    nodeids: [] as number[],
    featureids: [] as number[],
    modes: [] as string[],
    values: [] as number[],
  };
  const next = { yes: [] as number[], no: [] as number[], missing: [] as number[] };
  const leaves = { treeids: [] as number[], nodeids: [] as number[], ids: [] as number[], weights: [] as number[] };
  for (let tree = 0; tree < trees; tree += 1) {
    for (let node = 0; node < size; node += 1) {
      const isLeaf = node >= inner;
      nodes.treeids.push(tree);
      nodes.nodeids.push(node);
      nodes.featureids.push(isLeaf ? 0 : Math.floor(random() * featureCount));
      nodes.modes.push(isLeaf ? 'LEAF' : 'BRANCH_LEQ');
      nodes.values.push(isLeaf ? 0 : Math.fround(random() * 8 - 1));
      next.yes.push(isLeaf ? 0 : 2 * node + 1);
      next.no.push(isLeaf ? 0 : 2 * node + 2);
      next.missing.push(isLeaf || random() < 0.5 ? 0 : 1);
      if (!isLeaf) continue;
      leaves.treeids.push(tree);
      leaves.nodeids.push(node);
      leaves.ids.push(tree % targets);
      leaves.weights.push((random() - 0.5) / Math.sqrt(trees));
    }
  }
  return {
    n_targets: targets,
    nodes_treeids: nodes.treeids,
    nodes_nodeids: nodes.nodeids,
    nodes_featureids: nodes.featureids,
    nodes_modes: nodes.modes,
    nodes_values: nodes.values,
    nodes_truenodeids: next.yes,
    nodes_falsenodeids: next.no,
    nodes_missing_value_tracks_true: next.missing,
    target_treeids: leaves.treeids,
    target_nodeids: leaves.nodeids,
    target_ids: leaves.ids,
    target_weights: leaves.weights,
  };
}

function addOutputs(graph: GraphBuilder, raw: string, task: NonNullable<SyntheticOptions['task']>, featureCount: number): void {
  const classes = CLASSES[task];
  if (classes === null) {
    graph.output('prediction', 'float', ['N', 1]);
  } else {
    if (task === 'binary') {
      const positive = graph.op('Sigmoid', [raw]);
      const negative = graph.op('Sub', [graph.constant(new Float32Array([1])), positive]);
      graph.op('Concat', [negative, positive], { axis: 1 }, { output: 'probabilities' });
    } else {
      graph.op('Softmax', [raw], { axis: 1 }, { output: 'probabilities' });
    }
    const best = graph.op('ArgMax', ['probabilities'], { axis: 1, keepdims: 0 });
    graph.op('Gather', [graph.constant([...classes]), best], { axis: 0 }, { output: 'prediction' });
    graph.output('probabilities', 'float', ['N', classes.length]);
    graph.output('prediction', 'string', ['N']);
  }
  graph.output('features', 'float', ['N', featureCount]);
}

function metadataOf(fields: Field[], task: NonNullable<SyntheticOptions['task']>): ModelMetadata {
  const classes = CLASSES[task];
  const contract: Contract = { format: 'slipway.contract/1', fields, ignored: [] };
  return {
    format: 'slipway.model/1',
    task,
    target: 'y',
    classes: classes === null ? null : [...classes],
    positive: task === 'binary' ? 'yes' : null,
    contract,
    features: fields.map((field) => field.name),
    trainer: 'synthetic',
    params: {},
    seed: 1,
  };
}

function randomRows(fields: readonly Field[], count: number, random: () => number): Row[] {
  return Array.from({ length: count }, () => Object.fromEntries(fields.map((field) => [field.name, randomValue(field, random)])));
}

function randomValue(field: Field, random: () => number): unknown {
  if (random() < 0.05) return null;
  if (field.role === 'categorical') return random() < 0.05 ? 'unheard of' : LEVELS[Math.floor(random() * LEVELS.length)];
  if (field.role === 'time') return Math.floor(random() * 8 * 86_400_000);
  return Math.round(random() * 8e6 - 1e6) / 1e6;
}
