/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import {
  type Contract,
  type ExplainOptions,
  type Explanation,
  frameFromRows,
  type Json,
  JsonShape,
  type Row,
  type RuleMention,
} from '@slipway/kernel';
import { z } from 'zod';
import { ExplainRequestError } from '../errors.ts';
import { type CompiledRules, compileRules, describeCondition } from './compile-rules.ts';
import { firstMatches, holdsOf } from './match-rules.ts';
import { type Condition, parseRules, type RuleTable } from './rule-table.ts';

/** Rules named beside the one that decided. */
const NEAR_RULES = 3;

const StoredFacts = z.array(
  z.object({ condition: z.string(), name: z.string().nullable(), then: JsonShape.nullable(), rows: z.int(), found: z.number().nullable() }),
);

/** A part of a rule's condition that can fail on its own. */
interface Part {
  readonly rule: number;
  readonly condition: string;
  readonly columns: readonly string[];
}

/** What a rules model answered. */
export interface RulesAnswer {
  readonly prediction: string | number;
  readonly probabilities?: Readonly<Record<string, number>>;
}

/** Says of a row which rule of a decision table decided, and which came nearest: what would have to change. */
export class RulesExplainer {
  readonly #contract: Contract;
  readonly #table: RuleTable;
  readonly #rules: CompiledRules;
  readonly #parts: readonly Part[];
  /** Every part compiled as a rule of its own. */
  readonly #conditions: CompiledRules;
  readonly #facts: z.infer<typeof StoredFacts>;

  /** @param params the version's decision table. @param facts what its rules did on the training rows; kept with its metadata. */
  constructor(stored: { readonly contract: Contract; readonly params: unknown; readonly facts: unknown }) {
    this.#contract = stored.contract;
    this.#table = parseRules(stored.params);
    this.#rules = compileRules(this.#table, stored.contract);
    this.#facts = StoredFacts.safeParse(stored.facts).data ?? [];
    const parts = this.#table.rules.flatMap(({ when }, rule) => partsOf(when).map((condition) => ({ rule, condition })));
    this.#conditions = compileRules({ rules: parts.map(({ condition }) => ({ when: condition })) }, stored.contract);
    this.#parts = parts.map(({ rule, condition }) => ({
      rule,
      condition: describeCondition(condition),
      columns: compileRules({ rules: [{ when: condition }] }, stored.contract).fields.map((field) => field.name),
    }));
  }

  /** @param answer what the version says of the row. @throws {ExplainRequestError} */
  explain(row: Row, answer: RulesAnswer, options: ExplainOptions): Explanation {
    const { prediction, probabilities } = answer;
    const label = options.class ?? String(prediction);
    const margin = probabilities ? probabilities[label] : Number(prediction);
    if (margin === undefined || (options.class !== undefined && !probabilities))
      throw new ExplainRequestError(`There is no class "${options.class}".`, { details: { field: 'explain.class' } });
    const frame = frameFromRows(this.#contract, [row]);
    const decided = firstMatches(holdsOf(this.#rules, frame), 1)[0] as number;
    const masks = holdsOf(this.#conditions, frame);
    const failed = this.#table.rules.map((): RuleMention['failed'] => []);
    this.#parts.forEach(({ rule, condition, columns }, at) => {
      if (masks[at]?.[0] === 1) return;
      failed[rule]?.push({ condition, values: Object.fromEntries(columns.map((name) => [name, valueOf(row, name)])) });
    });
    const near = failed
      .map((conditions, rule) => ({ rule, conditions }))
      .filter(({ rule }) => rule !== decided)
      .toSorted((left, right) => left.conditions.length - right.conditions.length || left.rule - right.rule)
      .slice(0, NEAR_RULES);
    return {
      method: 'rules',
      space: probabilities ? 'probability' : 'value',
      output: probabilities ? label : null,
      // Rules do not add up: the one that decided says it all.
      base: margin,
      margin,
      contributions: [],
      rest: 0,
      rules: { decided: this.#mention(decided, []), near: near.map(({ rule, conditions }) => this.#mention(rule, conditions)) },
    };
  }

  #mention(at: number, failed: RuleMention['failed']): RuleMention {
    const rule = this.#table.rules[at];
    const facts = this.#facts[at];
    const total = this.#facts.reduce((sum, each) => sum + each.rows, 0);
    return {
      rule: rule ? at + 1 : null,
      name: rule?.name ?? null,
      condition: rule ? describeCondition(rule.when) : 'otherwise',
      then: (rule ? rule.then : this.#table.otherwise) ?? null,
      share: facts && total > 0 ? facts.rows / total : null,
      found: facts?.found ?? null,
      failed,
    };
  }
}

/** The parts of a condition that all must hold. */
function partsOf(condition: Condition): Condition[] {
  return Object.entries(condition).flatMap(([key, test]): Condition[] =>
    // The shapes were checked when the table was parsed.
    key === '$all' ? (test as Condition[]).flatMap(partsOf) : [{ [key]: test } as Condition],
  );
}

function valueOf(row: Row, name: string): Json {
  // A call's row holds JSON by contract.
  return ((Object.hasOwn(row, name) ? row[name] : null) ?? null) as Json;
}
