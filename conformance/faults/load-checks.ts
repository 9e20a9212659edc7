import { createHash } from 'node:crypto';
import type { Client } from '@slipway/client';

/** One row whose answer reached its caller, and what the record of it must say. */
export interface AnsweredRow {
  readonly id: string;
  readonly inputHash: string;
  readonly prediction: string;
  /** Keys of the outcomes that were acknowledged. */
  readonly outcomes: string[];
}

/** An invocation as the API shows it, as far as the check goes. */
export interface StoredRow {
  readonly id: string;
  readonly inputHash: string;
  readonly prediction: string;
}

export function hashInput(input: unknown): string {
  const sorted = Object.entries(input as Record<string, unknown>).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}

const PAGE = 500;

function toStored(view: { id: string; input: unknown; output: unknown }): StoredRow {
  const { prediction } = (view.output ?? {}) as { prediction?: unknown };
  return { id: view.id, inputHash: hashInput(view.input ?? {}), prediction: String(prediction) };
}

/** Every invocation of a release, page by page. */
export async function listAll(client: Client, release: string): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.invocations.list({ release, limit: PAGE, cursor });
    rows.push(...page.items.map(toStored));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return rows;
}

/** Every answered row must be among the listed ones exactly once and say the same. @returns what is wrong. */
export function listProblems(answered: readonly AnsweredRow[], listed: readonly StoredRow[]): string[] {
  const byId = new Map<string, StoredRow>();
  const problems: string[] = [];
  for (const row of listed) {
    if (byId.has(row.id)) problems.push(`${row.id} is listed twice`);
    byId.set(row.id, row);
  }
  for (const row of answered) {
    const found = byId.get(row.id);
    if (!found) problems.push(`${row.id} was answered and is not there`);
    else if (found.inputHash !== row.inputHash || found.prediction !== row.prediction) problems.push(`${row.id} says something else`);
  }
  return problems;
}

/** One answered row looked up by its id, with its outcomes. @returns what is wrong. */
export async function lookUpProblems(client: Pick<Client, 'invocations'>, row: AnsweredRow): Promise<string[]> {
  try {
    const { invocation, outcomes } = await client.invocations.get(row.id);
    const problems = listProblems([row], [toStored(invocation)]);
    for (const key of row.outcomes) {
      const count = outcomes.filter((outcome) => outcome.idempotencyKey === key).length;
      if (count !== 1) problems.push(`${row.id} has the acknowledged outcome ${key} ${count} times`);
    }
    return problems;
  } catch (error) {
    return [`${row.id} cannot be looked up: ${String(error)}`];
  }
}

/** Runs a check over many things, a few at a time. */
export async function collectProblems<T>(
  items: readonly T[],
  concurrency: number,
  check: (item: T) => Promise<string[]>,
): Promise<string[]> {
  const problems: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) problems.push(...(await check(items[next++] as T)));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return problems;
}
