import type { Client } from '@slipway/client';

type Run = Awaited<ReturnType<Client['runs']['get']>>;

/** How deep a tree is shown: a retraining has two levels below it. */
const DEPTH_LIMIT = 5;
/** Runs below one run that are shown; more are named as such. */
const CHILDREN_LIMIT = 50;

/** A run with what it started, the first started first. */
export interface RunTree {
  readonly run: Run;
  readonly below: readonly RunTree[];
  /** True when there are more runs below it than were read. */
  readonly truncated: boolean;
}

/** Reads everything below a run. */
export async function readRunTree(client: Pick<Client, 'runs'>, run: Run, depth = 0): Promise<RunTree> {
  if (depth >= DEPTH_LIMIT) return { run, below: [], truncated: true };
  const { items, nextCursor } = await client.runs.list({ parent: run.id, limit: CHILDREN_LIMIT });
  const children = items.toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : a.id < b.id ? -1 : 1));
  const below: RunTree[] = [];
  for (const child of children) below.push(await readRunTree(client, child, depth + 1));
  return { run, below, truncated: nextCursor !== null };
}

/** A run and all below it, one a line; what lies deeper is indented. */
export function showRunTree(tree: RunTree, indent = ''): string[] {
  const { run } = tree;
  return [
    `${indent}${run.id}  ${run.workflow}  ${run.status}${secondsOf(run)}  ${run.title}`,
    ...(run.error && indent !== '' ? [`${indent}  error[${run.error.code}]: ${run.error.message}`] : []),
    ...tree.below.flatMap((each) => showRunTree(each, `${indent}  `)),
    ...(tree.truncated ? [`${indent}  … and more`] : []),
  ];
}

function secondsOf({ startedAt, endedAt }: Run): string {
  if (startedAt === null || endedAt === null) return '';
  return `  ${((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000).toFixed(1)} s`;
}
