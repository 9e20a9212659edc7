import { type Clock, toRfc3339 } from '@slipway/kernel';
import type { FieldSketch } from '@slipway/statistics';
import type { Telemetry } from '@slipway/telemetry';
import { compareWithReference } from './compare-with-reference.ts';
import type { MonitorReport, Quality } from './contract.ts';
import { QUALITY_PAIRS_LIMIT } from './limits.ts';
import { type PredictionTask, measureQuality } from './quality.ts';
import { type WindowQuery, readWindow } from './read-window.ts';

/** A release's revision and what its version predicts; `task` is null for servables that predict nothing that can be scored. */
export interface MonitoredRelease {
  readonly release: string;
  readonly revision: number;
  readonly version: string;
  readonly task: PredictionTask['task'] | null;
  readonly classes: readonly string[] | null;
  readonly positive: string | null;
}

export interface MonitorPorts {
  /** The live revision, or the one named. @throws {NotFoundError} */
  findRelease(project: string, name: string, revision?: number): Promise<MonitoredRelease>;
  /** Sketches of what the version was trained on; undefined when it came without. */
  loadReference(project: string, version: string): Promise<ReadonlyMap<string, FieldSketch> | undefined>;
  readonly telemetry: Pick<Telemetry, 'sketches' | 'pairs'>;
  readonly clock: Clock;
}

export interface MonitorOptions extends WindowQuery {
  /** Default: the live one. */
  readonly revision?: number | undefined;
  /** Name of the outcome to judge by; default `label`. */
  readonly outcome?: string | undefined;
}

/**
 * Compares a window of a release with what its version was trained on, by sketches alone, and measures quality where
 * outcomes are known. @throws {NotFoundError} {@link WindowInvalidError} {@link ReferenceInvalidError}
 */
export async function monitor(ports: MonitorPorts, project: string, release: string, options: MonitorOptions = {}): Promise<MonitorReport> {
  const window = readWindow(options, ports.clock.nowMs());
  const found = await ports.findRelease(project, release, options.revision);
  const query = { release: found.release, revision: found.revision, ...window };
  const reference = await ports.loadReference(project, found.version);
  const current = await ports.telemetry.sketches(project, query);
  const drift = compareWithReference({ reference: reference ?? new Map(), current });
  return {
    release: found.release,
    revision: found.revision,
    version: found.version,
    window: { from: toRfc3339(window.fromMs), to: toRfc3339(window.toMs) },
    invocations: Math.max(0, ...[...current.values()].map((sketch) => sketch.count)),
    verdict: drift.verdict,
    reference: reference === undefined ? null : { fields: reference.size },
    fields: [...drift.fields],
    quality: await findQuality(ports, project, { ...query, outcome: options.outcome ?? 'label' }, found),
  };
}

async function findQuality(
  ports: MonitorPorts,
  project: string,
  query: { release: string; revision: number; fromMs: number; toMs: number; outcome: string },
  { task, classes, positive }: MonitoredRelease,
): Promise<Quality | null> {
  if (task === null) return null;
  const pairs = await ports.telemetry.pairs(project, { ...query, limit: QUALITY_PAIRS_LIMIT + 1 });
  if (pairs.length === 0) return null;
  const used = pairs.slice(0, QUALITY_PAIRS_LIMIT);
  return { outcome: query.outcome, truncated: pairs.length > used.length, ...measureQuality(used, { task, classes, positive }) };
}
