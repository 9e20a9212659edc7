import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { MetricsRegistry } from '@slipway/telemetry';
import type { Finding } from '../alerts/finding.ts';
import {
  RESOURCE_ADVICE,
  RESOURCE_VERDICTS,
  type Resource,
  ResourceLimits,
  type ResourceState,
  type ResourceUse,
  type ResourceVerdict,
  judgeResources,
} from './judge-resources.ts';

/** Timers are expected this often; what they are late beyond it is the event loop's delay. */
const LOOP_RESOLUTION_MS = 10;
/** A container without a limit says so with a number near 2^64. */
const MEMORY_LIMIT_MAX_BYTES = 2 ** 50;

export interface ResourceOptions {
  /** Where the home lies. */
  readonly directory: string;
  readonly replica: number;
  /** Bytes of recorded lines that are not Parquet yet. */
  readonly backlogBytes: () => number;
  readonly limits?: ResourceLimits | undefined;
}

/** The resources of this process, looked at every round. */
export interface ResourceWatch {
  /** Reads and judges them, and shows them as metrics. */
  look(): Promise<ResourceState[]>;
  /** As last judged; empty before the first look. */
  readonly states: readonly ResourceState[];
  /** What is worth an alert, of the process rather than of a release. */
  findings(nowMs: number): Finding[];
  /** Stands where an alert names a release. No release can have such a name. */
  readonly subject: string;
}

export const RESOURCE_KINDS: ReadonlySet<string> = new Set(['resource']);

/** @param use how the resources are read; tests give their own. */
export function watchResources(metrics: MetricsRegistry, options: ResourceOptions, use = readerOf(options)): ResourceWatch {
  const limits = options.limits ?? ResourceLimits.parse({});
  const gauge = metrics.gauge({
    name: 'slipway_resource_verdict',
    help: 'Verdict about a resource of the process: 0 ok, 1 warning, 2 alert.',
    labels: ['resource'],
  });
  const free = metrics.gauge({ name: 'slipway_home_free_bytes', help: 'Free bytes where the home lies.' });
  let states: readonly ResourceState[] = [];
  const subject = `(server ${options.replica})`;
  return {
    subject,
    get states() {
      return states;
    },
    async look() {
      const before = new Map<Resource, ResourceVerdict>(states.map((each) => [each.resource, each.verdict]));
      const judged = judgeResources(await use(), limits, before);
      for (const { resource, verdict, value } of judged) {
        gauge({ resource }).set(RESOURCE_VERDICTS.indexOf(verdict));
        if (resource === 'disk' && value !== null) free().set(value);
      }
      states = judged;
      return judged;
    },
    findings: (nowMs) => states.filter((each) => each.verdict !== 'ok').map((each) => findingOf(each, subject, options.replica, nowMs)),
  };
}

function findingOf({ resource, verdict, message }: ResourceState, release: string, replica: number, nowMs: number): Finding {
  return {
    release,
    revision: replica,
    kind: 'resource',
    about: resource,
    severity: verdict === 'alert' ? 'alert' : 'warn',
    message: `server ${replica}: ${message}`,
    cause: `what helps: ${RESOURCE_ADVICE[resource]}`,
    command: 'slipway doctor',
    window: { fromMs: nowMs, toMs: nowMs },
  };
}

function readerOf(options: ResourceOptions): () => Promise<ResourceUse> {
  let histogram: IntervalHistogram | undefined;
  return async () => {
    histogram ??= startHistogram();
    const loop = histogram.count === 0 ? null : Math.max(0, histogram.percentile(99) / 1e6 - LOOP_RESOLUTION_MS);
    histogram.reset();
    const heap = getHeapStatistics();
    return {
      memory: process.memoryUsage.rss() / memoryLimitBytes(),
      heap: heap.used_heap_size / heap.heap_size_limit,
      loop,
      disk: await statfs(options.directory).then(
        (space) => space.bavail * space.bsize,
        () => null,
      ),
      backlog: options.backlogBytes(),
    };
  };
}

function startHistogram(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  histogram.enable();
  return histogram;
}

function memoryLimitBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < MEMORY_LIMIT_MAX_BYTES ? Math.min(limit, totalmem()) : totalmem();
}
