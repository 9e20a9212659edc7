import { type GraphBuilder, ML_DOMAIN } from '@slipway/models';
import type { TextCountPlan, TextScorePlan } from '../preparation.ts';
import type { TextEncoder } from '../text/text-encoder.ts';
import { COUNTED, END_SIGN, WORD_EXPRESSION } from '../text/tokens.ts';

const FLOAT = 1;
const DOUBLE = 11;
/** Domain of ONNX Runtime's own operators, where the tokenizer lives. */
const RUNTIME_DOMAIN = 'com.microsoft';

/**
 * Adds the text features of a preparation to a graph. Words are found by ONNX Runtime's Tokenizer, numbered by a
 * LabelEncoder that knows each spelling (no operator folds case alike on every machine), counted by TfIdfVectorizer.
 */
export class TextExporter {
  readonly #graph: GraphBuilder;
  readonly #encoders: readonly TextEncoder[];
  /** What several features of a field share: by field and part. */
  readonly #shared = new Map<string, string>();

  constructor(graph: GraphBuilder, encoders: readonly TextEncoder[]) {
    this.#graph = graph;
    this.#encoders = encoders;
  }

  /** One column of the field's scores, float [N, 1]. */
  score(plan: TextScorePlan, input: string): string {
    const encoder = this.#encoders.find((each) => each.field === plan.field);
    if (!encoder) throw new Error(`The text column ${plan.field} has no encoder.`);
    const scores = this.#once(`${plan.field}/scores`, () => this.#scores(encoder, input));
    if (encoder.outputCount === 1) return scores;
    return this.#graph.op('Gather', [scores, this.#integers([plan.output])], { axis: 1 });
  }

  /** How many words, digits or capitals, or the root of it: the tokens of an expression that are not padding, less END_SIGN. */
  count(plan: TextCountPlan, input: string): string {
    const graph = this.#graph;
    const tokens = this.#tokens(plan.field, input, plan.part);
    const isToken = graph.op('Not', [graph.op('Equal', [tokens, this.#text('')])]);
    const count = graph.op('ReduceSum', [graph.op('Cast', [isToken], { to: FLOAT }), this.#integers([1])], { keepdims: 1 });
    const own = graph.op('Sub', [count, graph.constant(Float32Array.of(1), [1])]);
    if (!plan.isRoot) return own;
    // In double, then rounded once, as the trainer's.
    return graph.op('Cast', [graph.op('Sqrt', [graph.op('Cast', [own], { to: DOUBLE })])], { to: FLOAT });
  }

  #once(key: string, make: () => string): string {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#shared.set(key, made);
    return made;
  }

  #integers(values: readonly number[]): string {
    return this.#graph.constant(
      BigInt64Array.from(values, (value) => BigInt(value)),
      [values.length],
    );
  }

  #text(value: string): string {
    return this.#graph.constant([value], [1], { elementType: 'string' });
  }

  /** Tokens [N, T], END_SIGN the last of each row, padded with ''. */
  #tokens(field: string, input: string, part: TextCountPlan['part']): string {
    const graph = this.#graph;
    const texts = this.#once(`${field}/texts`, () =>
      graph.op('StringConcat', [graph.op('Reshape', [input, this.#integers([-1])]), this.#text(END_SIGN)]),
    );
    const tokenexp = part === 'words' ? WORD_EXPRESSION : COUNTED[part];
    return this.#once(`${field}/${part}`, () =>
      graph.op('Tokenizer', [texts], { mark: 0, mincharnum: 1, pad_value: '', tokenexp }, { domain: RUNTIME_DOMAIN }),
    );
  }

  /** Scores [N, outputs]: sums of weights over the length of the text; every product and sum is exact in double. */
  #scores(encoder: TextEncoder, input: string): string {
    const graph = this.#graph;
    const { outputCount, vocabulary, weights, squares, intercepts } = encoder;
    const counts = this.#gramCounts(encoder, input);
    const isPresent = graph.op('Cast', [graph.op('Min', [counts, graph.constant(Float32Array.of(1), [1])])], { to: DOUBLE });
    const table = new Float32Array(vocabulary.gramCount * (outputCount + 1));
    for (let gram = 0; gram < vocabulary.gramCount; gram += 1) {
      table.set(weights.subarray(gram * outputCount, (gram + 1) * outputCount), gram * (outputCount + 1));
      table[gram * (outputCount + 1) + outputCount] = squares[gram] as number;
    }
    const doubles = graph.op('Cast', [graph.constant(table, [vocabulary.gramCount, outputCount + 1])], { to: DOUBLE });
    const sums = graph.op('MatMul', [isPresent, doubles]);
    const sizes = this.#integers([outputCount, 1]);
    const [heads, square] = graph.node('Split', [sums, sizes], { axis: 1 }, { outputs: 2 }) as [string, string];
    const norm = graph.op('Sqrt', [graph.op('Max', [square, graph.constant(Float64Array.of(1), [1])])]);
    const scores = graph.op('Add', [graph.op('Div', [heads, norm]), graph.constant(intercepts, [1, outputCount])]);
    return graph.op('Cast', [scores], { to: FLOAT });
  }

  /** How often each gram of the vocabulary occurs, float [N, grams]. */
  #gramCounts({ field, vocabulary }: TextEncoder, input: string): string {
    const graph = this.#graph;
    const { spellings, singles, pairs, gramCount } = vocabulary;
    const numbers = graph.op(
      'LabelEncoder',
      [this.#tokens(field, input, 'words')],
      { keys_strings: [...spellings.keys()], values_int64s: [...spellings.values()], default_int64: 0 },
      { domain: ML_DOMAIN },
    );
    const range = Array.from({ length: gramCount }, (_, gram) => gram);
    return graph.op('TfIdfVectorizer', [numbers], {
      mode: 'TF',
      min_gram_length: 1,
      max_gram_length: 2,
      max_skip_count: 0,
      ngram_counts: [0, singles.length],
      ngram_indexes: range,
      pool_int64s: [...singles, ...pairs],
    });
  }
}
