import { z } from 'zod';

const bounds = (shape: z.ZodNumber, warn: number, alert: number) =>
  z.strictObject({ warn: shape.default(warn), alert: shape.default(alert) }).prefault({});
const share = z.number().gt(0).max(1);
const bytes = z.number().positive();

/** From where on a process needs help. Shares are of what it may use; of the disk and the backlog, bytes. */
export const ResourceLimits = z.strictObject({
  /** Resident memory, of what the container or the machine has. */
  memory: bounds(share, 0.8, 0.9),
  /** JavaScript heap, of the most it may grow to. */
  heap: bounds(share, 0.8, 0.92),
  /** The 99th percentile of how late timers ran since the last look, in milliseconds. */
  loop: bounds(z.number().positive(), 50, 200),
  /** Free bytes where the home lies: less is worse. */
  disk: bounds(bytes, 2e9, 2e8),
  /** Bytes of recorded lines that are not Parquet yet. */
  backlog: bounds(bytes, 2e9, 8e9),
});
export type ResourceLimits = z.infer<typeof ResourceLimits>;
export type Resource = keyof ResourceLimits;

/** What a process uses at one moment; null where it could not be read. */
export type ResourceUse = Readonly<Record<Resource, number | null>>;

export const RESOURCE_VERDICTS = ['ok', 'warn', 'alert'] as const;
export type ResourceVerdict = (typeof RESOURCE_VERDICTS)[number];

/** One resource as it stands. */
export interface ResourceState {
  readonly resource: Resource;
  readonly verdict: ResourceVerdict;
  readonly value: number | null;
  readonly limit: { readonly warn: number; readonly alert: number };
  readonly message: string;
}

/** A verdict is taken back only when the value is this much better than the bound it had crossed, so that it does not flicker. */
export const RESOURCE_SLACK_RATIO = 0.1;

const WORSE_WHEN_LESS: ReadonlySet<Resource> = new Set(['disk']);

/**
 * Judges what a process uses by its limits. What was wrong before stays so until it is better by {@link RESOURCE_SLACK_RATIO};
 * what cannot be read keeps its verdict.
 */
export function judgeResources(
  use: ResourceUse,
  limits: ResourceLimits,
  before: ReadonlyMap<Resource, ResourceVerdict> = new Map(),
): ResourceState[] {
  return (Object.keys(limits) as Resource[]).map((resource) => {
    const value = use[resource];
    const limit = limits[resource];
    const verdict = verdictOf(resource, value, limit, before.get(resource) ?? 'ok');
    return { resource, verdict, value, limit, message: describe(resource, value, limit, verdict) };
  });
}

function verdictOf(resource: Resource, value: number | null, limit: ResourceState['limit'], before: ResourceVerdict): ResourceVerdict {
  if (value === null) return before;
  const sign = WORSE_WHEN_LESS.has(resource) ? -1 : 1;
  const level = RESOURCE_VERDICTS.indexOf(before);
  const isBeyond = (at: 'warn' | 'alert') => {
    const held = level >= RESOURCE_VERDICTS.indexOf(at);
    return sign * value >= sign * limit[at] * (held ? 1 - sign * RESOURCE_SLACK_RATIO : 1);
  };
  return isBeyond('alert') ? 'alert' : isBeyond('warn') ? 'warn' : 'ok';
}

const WORDS: Readonly<Record<Resource, (value: number) => string>> = {
  memory: (value) => `${percent(value)} of the memory is in use`,
  heap: (value) => `${percent(value)} of the JavaScript heap is in use`,
  loop: (value) => `timers run ${Math.round(value)} ms late (99th percentile)`,
  disk: (value) => `${gigabytes(value)} are free where the home lies`,
  backlog: (value) => `${gigabytes(value)} of recorded calls wait to become Parquet`,
};

function describe(resource: Resource, value: number | null, limit: ResourceState['limit'], verdict: ResourceVerdict): string {
  if (value === null) return `${resource} could not be read`;
  if (verdict === 'ok') return WORDS[resource](value);
  const bound = resource === 'loop' ? `${limit[verdict]} ms` : limit[verdict] <= 1 ? percent(limit[verdict]) : gigabytes(limit[verdict]);
  return `${WORDS[resource](value)}; ${verdict === 'warn' ? 'a warning' : 'an alert'} from ${bound} on`;
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
const gigabytes = (count: number) => `${(count / 1e9).toFixed(1)} GB`;

/** What helps, by resource. */
export const RESOURCE_ADVICE: Readonly<Record<Resource, string>> = {
  memory: 'more memory, or fewer models kept loaded',
  heap: 'a larger heap (NODE_OPTIONS=--max-old-space-size=MEGABYTES), or a report on what grows',
  loop: 'heavier models on worker threads, more replicas, or fewer calls at once',
  disk: 'a larger disk, or an older backup moved away; below the second bound recording is about to fail',
  backlog: 'see the log for segments that could not be stored; the object store may be away',
};
