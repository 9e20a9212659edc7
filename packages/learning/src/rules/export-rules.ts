import { columnKind, type Field } from '@slipway/kernel';
import { GraphBuilder, inputNameOf, ML_DOMAIN } from '@slipway/models';
import type { CompiledRules, Node } from './compile-rules.ts';
import type { Operand } from './rule-table.ts';

const FLOAT = 1;
const BOOL = 9;
const DOUBLE = 11;
/** int64 stand-in for a missing time. */
const MISSING_TIME = -(2n ** 63n);

/** What each rule answers, `otherwise` last. */
export interface RuleAnswers {
  readonly classes: readonly string[] | null;
  /** [(rules + 1) × classes] probabilities, or [rules + 1] numbers. */
  readonly answers: Float64Array;
}

/**
 * The rules as one ONNX graph: comparisons, the first condition that holds, and its answer looked up. Inputs as every
 * model's; outputs `features` float [N, rules] (1 = the rule's condition holds) and either `probabilities` with
 * `prediction` string [N], or `prediction` double [N, 1].
 */
export function exportRules(
  compiled: CompiledRules,
  { classes, answers }: RuleAnswers,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const graph = new GraphBuilder('slipway-rules');
  const exporter = new RuleExporter(graph, compiled.fields);
  const holds = compiled.conditions.map((node) => graph.op('Cast', [exporter.node(node)], { to: FLOAT }));
  const count = holds.length;
  const features = graph.op('Concat', holds, { axis: 1 }, { output: 'features' });
  graph.output(features, 'float', ['N', count]);
  const [first] = holds as [string];
  const always = graph.op('Add', [graph.op('Mul', [first, float(graph, 0)]), float(graph, 1)]);
  const ranked = graph.op('Concat', [features, always], { axis: 1 });
  // The first of equals: the rule that decides.
  const rule = graph.op('ArgMax', [ranked], { axis: 1, keepdims: classes ? 0 : 1, select_last_index: 0 });
  if (classes) {
    const shares = graph.constant(Float32Array.from(answers), [count + 1, classes.length]);
    const probabilities = graph.op('Gather', [shares, rule], { axis: 0 }, { output: 'probabilities' });
    const best = graph.op('ArgMax', [probabilities], { axis: 1, keepdims: 0, select_last_index: 0 });
    const attributes = { keys_int64s: classes.map((_, index) => index), values_strings: classes, default_string: '' };
    graph.op('LabelEncoder', [best], attributes, { domain: ML_DOMAIN, output: 'prediction' });
    graph.output('probabilities', 'float', ['N', classes.length]);
    graph.output('prediction', 'string', ['N']);
  } else {
    graph.op('Gather', [graph.constant(answers, [count + 1]), rule], { axis: 0 }, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
  }
  return graph.build({ metadata });
}

const float = (graph: GraphBuilder, value: number) => graph.constant(Float32Array.of(value), [1]);

const SIGNS = { '<': 'Less', '<=': 'LessOrEqual', '>': 'Greater', '>=': 'GreaterOrEqual' } as const;
const CALCULATIONS = { '+': 'Add', '-': 'Sub', '*': 'Mul', '/': 'Div' } as const;

class RuleExporter {
  readonly #graph: GraphBuilder;
  /** Inputs as the rules read them: doubles with NaN, or strings. */
  readonly #inputs = new Map<string, string>();
  readonly #made = new Map<string, string>();
  readonly #texts: ReadonlySet<string>;

  constructor(graph: GraphBuilder, fields: readonly Field[]) {
    this.#graph = graph;
    this.#texts = new Set(fields.filter((field) => columnKind(field) === 'text').map((field) => field.name));
    const inputs = fields.map((field) => [field, graph.input(inputNameOf(field.name), inputType(field), ['N', 1])] as const);
    for (const [field, input] of inputs) this.#inputs.set(field.name, field.role === 'time' ? this.#time(input) : input);
  }

  /** @returns bool [N, 1]; equal conditions are computed once. */
  node(node: Node): string {
    const key = JSON.stringify(node);
    const before = this.#made.get(key);
    if (before !== undefined) return before;
    const made = this.#export(node);
    this.#made.set(key, made);
    return made;
  }

  #export(node: Node): string {
    const graph = this.#graph;
    if (node.kind === 'all' || node.kind === 'any') {
      const op = node.kind === 'all' ? 'And' : 'Or';
      return node.of.map((each) => this.node(each)).reduce((left, right) => graph.op(op, [left, right]));
    }
    if (node.kind === 'compare') return this.#compare(node);
    const input = this.#inputs.get(node.field) as string;
    if (node.kind === 'levels') return this.#lookUp(input, node.values, !node.negated);
    if (node.kind === 'missing') return this.#missing(input, node);
    const matches = graph.op('RegexFullMatch', [input], { pattern: patternOf(node) });
    if (!node.negated) return matches;
    return graph.op('And', [graph.op('Not', [matches]), this.#lookUp(input, [''], false)]);
  }

  /** Whether the text is one of the values, or none of them; a missing text is neither. */
  #lookUp(input: string, values: readonly string[], isListed: boolean): string {
    const known = values.filter((value) => value !== '');
    const code = this.#graph.op(
      'LabelEncoder',
      [input],
      {
        keys_strings: ['', ...known],
        values_floats: [0, ...known.map(() => (isListed ? 1 : 0))],
        default_float: isListed ? 0 : 1,
      },
      { domain: ML_DOMAIN },
    );
    return this.#graph.op('Cast', [code], { to: BOOL });
  }

  #missing(input: string, { field, negated }: Extract<Node, { kind: 'missing' }>): string {
    const present = this.#texts.has(field) ? this.#lookUp(input, [''], false) : this.#graph.op('Not', [this.#graph.op('IsNaN', [input])]);
    return negated ? present : this.#graph.op('Not', [present]);
  }

  #compare({ sign, left, right }: Extract<Node, { kind: 'compare' }>): string {
    const sides = [this.#operand(left), this.#operand(right)];
    if (sign === '==') return this.#graph.op('Equal', sides);
    if (sign === '!=') return this.#graph.op('Or', [this.#graph.op('Less', sides), this.#graph.op('Greater', sides)]);
    return this.#graph.op(SIGNS[sign], sides);
  }

  #operand(operand: Operand): string {
    if (typeof operand === 'number') return this.#graph.constant(Float64Array.of(operand), [1, 1]);
    if ('column' in operand) return this.#inputs.get(operand.column) as string;
    return this.#graph.op(
      CALCULATIONS[operand.calc],
      operand.of.map((each) => this.#operand(each)),
    );
  }

  #time(input: string): string {
    const graph = this.#graph;
    const isMissing = graph.op('Equal', [input, graph.constant(BigInt64Array.of(MISSING_TIME), [1])]);
    return graph.op('Where', [isMissing, graph.constant(Float64Array.of(Number.NaN), [1]), graph.op('Cast', [input], { to: DOUBLE })]);
  }
}

function inputType(field: Field): 'double' | 'int64' | 'string' {
  if (columnKind(field) === 'text') return 'string';
  return field.role === 'time' ? 'int64' : 'double';
}

/** RE2: every character means itself, and a dot also matches a line's end. */
function patternOf({ how, value }: Extract<Node, { kind: 'text' }>): string {
  const literal = value.replaceAll(/[!-/:-@[-`{-~]/g, '\\$&');
  if (how === 'contains') return `(?s).*${literal}.*`;
  return how === 'startsWith' ? `(?s)${literal}.*` : `(?s).*${literal}`;
}
