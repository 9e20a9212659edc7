import { z } from 'zod';
import { type EngineRow, type EngineValue, literal } from './engine.ts';
import { DUPLICATE_ORDER_SQL, RESOLUTION_ORDER_SQL } from './resolve-outcomes.ts';

/** The arm under which mirrored calls are recorded: they answered nobody, and are in no sketch and no count. */
export const SHADOW_ARM = 'shadow';
/** Answers that are counted one by one; the rest of them is left out. */
export const TALLIED_ANSWERS_LIMIT = 50;

/** One value a unit: how many units, their sum, and the sum of their squares. */
export interface TallySums {
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
}

/** Calls of one revision while its share of the traffic stood still, counted by unit (a call without a unit is its own). */
export interface ArmTally {
  readonly revision: number;
  /** Mirrored calls, which answered nobody. */
  readonly shadow: boolean;
  readonly share: number;
  readonly calls: number;
  /** Mean failures of a unit, 0..1. */
  readonly failed: TallySums;
  readonly costMicros: TallySums;
  /** Latency of each unit's first call, by logarithmic bucket. */
  readonly latency: Map<number, number>;
  /** Mean predicted number of a unit; no units when predictions are no numbers. */
  readonly number: TallySums;
  /** By answer: share of the unit's calls that got it. Answers a unit never got count 0 for it and are not summed. */
  readonly answers: Map<string, TallySums>;
  /** By outcome: mean score of the units that have one. */
  readonly outcomes: Map<string, TallySums>;
}

/** Mirrored minus live answers of the same calls, by unit. */
export interface PairTally {
  readonly revision: number;
  readonly champion: number;
  readonly failed: TallySums;
  readonly costMicros: TallySums;
  /** 1 for a pair whose answers differ. */
  readonly flipped: TallySums;
  readonly outcomes: Map<string, TallySums>;
}

export interface ArmTallies {
  readonly arms: readonly ArmTally[];
  readonly pairs: readonly PairTally[];
}

/** How an outcome becomes a number: itself, whether the prediction equals it, or how far the prediction was off. */
export type OutcomeScore = 'value' | 'correct' | 'absolute-error';

export interface ArmTallyQuery {
  readonly release: string;
  readonly revisions: readonly number[];
  /** Calls under these arms say nothing about the traffic. */
  readonly withoutArms: readonly string[];
  /** Server times, from inclusive, to exclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Ratio of two edges of a latency bucket, and the smallest latency told apart. */
  readonly bucketGrowth: number;
  readonly latencyMsMin: number;
  readonly outcomes: readonly { readonly key: string; readonly outcome: string; readonly score: OutcomeScore }[];
}

interface Statement {
  readonly sql: string;
  readonly values: readonly EngineValue[];
}

const SUMS = (value: string, name: string) =>
  `count(${value}) as ${name}_count, coalesce(sum(${value}), 0)::double as ${name}_sum, coalesce(sum(${value} * ${value}), 0)::double as ${name}_squares`;

const SCORES: Readonly<Record<OutcomeScore, string>> = {
  value: `case lower(outcome) when 'true' then 1.0 when 'false' then 0.0 else try_cast(outcome as double) end`,
  correct: `case when prediction is null then null when coalesce(try_cast(prediction as double) = try_cast(outcome as double), prediction = outcome) then 1.0 else 0.0 end`,
  'absolute-error': `abs(try_cast(prediction as double) - try_cast(outcome as double))`,
};

function callsSql(invocations: string, query: ArmTallyQuery): Statement {
  const revisions = query.revisions.map((revision) => Math.trunc(revision)).join(', ');
  const without = query.withoutArms.map((arm) => ` and arm <> ${literal(arm)}`).join('');
  return {
    sql: `calls as (
      select id, revision, arm = '${SHADOW_ARM}' as shadow, round("armProbability", 6) as share, coalesce(unit, id) as unit, parent,
        (status = 'error')::int::double as failed, "latencyMs" as latency, "costMicros"::double as cost,
        case when status = 'ok' then coalesce(json_extract_string(output, '$.prediction'), output) end as prediction
      from ${invocations} i
      where release = $1 and "observedTimeMs" >= $2 and "observedTimeMs" < $3 and status <> 'pending' and revision in (${revisions})${without})`,
    values: [query.release, BigInt(query.fromMs), BigInt(query.toMs)],
  };
}

const STANDING = (outcomes: string, position: number) => `delivered as (
      select * from ${outcomes} o where name = $${position}
      qualify row_number() over (partition by invocation, "idempotencyKey" order by ${DUPLICATE_ORDER_SQL}) = 1),
    standing as (
      select invocation, json_extract_string(value, '$') as outcome from delivered
      qualify row_number() over (partition by invocation order by ${RESOLUTION_ORDER_SQL}) = 1)`;

const GROUP = 'revision, shadow, share';

function armStatements(invocations: string, query: ArmTallyQuery): Record<'arms' | 'latency' | 'answers' | 'pairs', Statement> {
  const { sql, values } = callsSql(invocations, query);
  const bucket = `floor(ln(greatest(arg_min(latency, id), ${query.latencyMsMin})) / ln(${query.bucketGrowth}))::int`;
  return {
    arms: {
      sql: `with ${sql}, units as (
        select ${GROUP}, unit, count(*) as calls, avg(failed) as failed, avg(cost) as cost, avg(try_cast(prediction as double)) as number
        from calls group by all)
        select ${GROUP}, sum(calls)::bigint as calls, ${SUMS('failed', 'failed')}, ${SUMS('cost', 'cost')}, ${SUMS('number', 'number')}
        from units group by ${GROUP}`,
      values,
    },
    latency: {
      sql: `with ${sql}, units as (select ${GROUP}, unit, ${bucket} as bucket from calls group by ${GROUP}, unit)
        select ${GROUP}, bucket, count(*) as units from units group by all`,
      values,
    },
    answers: {
      sql: `with ${sql}, units as (
        select ${GROUP}, unit, prediction, count(*) / sum(count(*)) over (partition by ${GROUP}, unit) as part
        from calls where prediction is not null and length(prediction) <= 200 group by ${GROUP}, unit, prediction),
        kept as (select prediction from units group by prediction order by count(*) desc, prediction limit ${TALLIED_ANSWERS_LIMIT})
        select ${GROUP}, prediction as answer, ${SUMS('part', 'part')} from units where prediction in (select prediction from kept) group by all`,
      values,
    },
    pairs: {
      sql: `with ${sql}, pairs as (
        select s.revision, c.revision as champion, c.unit, avg(s.failed - c.failed) as failed, avg(s.cost - c.cost) as cost,
          avg((s.prediction is distinct from c.prediction)::int::double) as flipped
        from calls s join calls c on s.parent = c.id where s.shadow and not c.shadow group by all)
        select revision, champion, ${SUMS('failed', 'failed')}, ${SUMS('cost', 'cost')}, ${SUMS('flipped', 'flipped')} from pairs group by revision, champion`,
      values,
    },
  };
}

function outcomeStatements(
  invocations: string,
  outcomes: string,
  query: ArmTallyQuery,
  index: number,
): { arms: Statement; pairs: Statement } {
  const { sql, values } = callsSql(invocations, query);
  const asked = query.outcomes[index];
  if (!asked) throw new Error('Broken invariant: the outcome was asked for');
  const head = `with ${sql}, ${STANDING(outcomes, 4)}, scored as (
    select calls.*, ${SCORES[asked.score]} as score from calls
    join standing on standing.invocation = case when calls.shadow then calls.parent else calls.id end)`;
  const all = [...values, asked.outcome];
  return {
    arms: {
      sql: `${head}, units as (select ${GROUP}, unit, avg(score) as score from scored group by all)
        select ${GROUP}, ${SUMS('score', 'score')} from units group by ${GROUP}`,
      values: all,
    },
    pairs: {
      sql: `${head}, pairs as (
        select s.revision, c.revision as champion, c.unit, avg(s.score - c.score) as score
        from scored s join scored c on s.parent = c.id where s.shadow and not c.shadow group by all)
        select revision, champion, ${SUMS('score', 'score')} from pairs group by revision, champion`,
      values: all,
    },
  };
}

/** Counts calls over several readings: what lies in different batches of segments is added. */
export class ArmTallier {
  readonly #query: ArmTallyQuery;
  readonly #arms = new Map<string, ArmTally>();
  readonly #pairs = new Map<string, PairTally>();

  constructor(query: ArmTallyQuery) {
    this.#query = query;
  }

  /** @param run executes one statement over the two relations named in it. */
  async add(
    invocations: string,
    outcomes: string,
    run: (sql: string, values: readonly EngineValue[]) => Promise<EngineRow[]>,
  ): Promise<void> {
    const statements = armStatements(invocations, this.#query);
    for (const row of await run(statements.arms.sql, statements.arms.values)) this.#addArm(row);
    for (const row of await run(statements.latency.sql, statements.latency.values)) {
      const { latency } = this.#arm(row);
      const bucket = Number(row['bucket']);
      latency.set(bucket, (latency.get(bucket) ?? 0) + Number(row['units']));
    }
    for (const row of await run(statements.answers.sql, statements.answers.values))
      addTo(this.#arm(row).answers, String(row['answer']), sumsAt(row, 'part'));
    for (const row of await run(statements.pairs.sql, statements.pairs.values)) this.#addPair(row);
    for (const [index, { key }] of this.#query.outcomes.entries()) {
      const { arms, pairs } = outcomeStatements(invocations, outcomes, this.#query, index);
      for (const row of await run(arms.sql, arms.values)) addTo(this.#arm(row).outcomes, key, sumsAt(row, 'score'));
      for (const row of await run(pairs.sql, pairs.values)) addTo(this.#pair(row).outcomes, key, sumsAt(row, 'score'));
    }
  }

  result(): ArmTallies {
    return { arms: [...this.#arms.values()], pairs: [...this.#pairs.values()] };
  }

  #addArm(row: EngineRow): void {
    const before = this.#arm(row);
    this.#arms.set(armKey(row), {
      ...before,
      calls: before.calls + Number(row['calls']),
      failed: plus(before.failed, sumsAt(row, 'failed')),
      costMicros: plus(before.costMicros, sumsAt(row, 'cost')),
      number: plus(before.number, sumsAt(row, 'number')),
    });
  }

  #addPair(row: EngineRow): void {
    const before = this.#pair(row);
    this.#pairs.set(pairKey(row), {
      ...before,
      failed: plus(before.failed, sumsAt(row, 'failed')),
      costMicros: plus(before.costMicros, sumsAt(row, 'cost')),
      flipped: plus(before.flipped, sumsAt(row, 'flipped')),
    });
  }

  #arm(row: EngineRow): ArmTally {
    const found = this.#arms.get(armKey(row));
    if (found) return found;
    const made: ArmTally = {
      revision: Number(row['revision']),
      shadow: row['shadow'] === true,
      share: Number(row['share']),
      calls: 0,
      failed: NONE,
      costMicros: NONE,
      latency: new Map(),
      number: NONE,
      answers: new Map(),
      outcomes: new Map(),
    };
    this.#arms.set(armKey(row), made);
    return made;
  }

  #pair(row: EngineRow): PairTally {
    const found = this.#pairs.get(pairKey(row));
    if (found) return found;
    const { revision, champion } = PairKey.parse(row);
    const made: PairTally = { revision, champion, failed: NONE, costMicros: NONE, flipped: NONE, outcomes: new Map() };
    this.#pairs.set(pairKey(row), made);
    return made;
  }
}

const NONE: TallySums = { count: 0, sum: 0, squares: 0 };
const PairKey = z.object({ revision: z.coerce.number(), champion: z.coerce.number() });
const armKey = (row: EngineRow) => `${String(row['revision'])} ${String(row['shadow'])} ${String(row['share'])}`;
const pairKey = (row: EngineRow) => `${String(row['revision'])} ${String(row['champion'])}`;

function plus(left: TallySums, right: TallySums): TallySums {
  return { count: left.count + right.count, sum: left.sum + right.sum, squares: left.squares + right.squares };
}

function addTo(map: Map<string, TallySums>, key: string, sums: TallySums): void {
  map.set(key, plus(map.get(key) ?? NONE, sums));
}

function sumsAt(row: EngineRow, name: string): TallySums {
  return { count: Number(row[`${name}_count`]), sum: Number(row[`${name}_sum`]), squares: Number(row[`${name}_squares`]) };
}
