import type { Invocation } from '@slipway/kernel';
import { type Counter, type Histogram, type MetricsRegistry, SECONDS_BOUNDS } from './metrics-registry.ts';

interface CallSeries {
  readonly calls: Counter;
  readonly latency: Histogram;
}

const REMEMBERED_LIMIT = 2_000;

/** What telemetry counts about calls and about itself. */
export class CallMetrics {
  readonly #calls;
  readonly #latency;
  readonly #series = new Map<string, CallSeries>();
  readonly outcomes;
  readonly unrecorded;
  readonly writeFailures;
  readonly segmentsStored;
  readonly segmentFailures;
  readonly pendingSegments;
  readonly pendingBytes;

  constructor(registry: MetricsRegistry) {
    const labels = ['project', 'release'];
    this.#calls = registry.counter({
      name: 'slipway_invocations_total',
      help: 'Calls answered and recorded.',
      labels: [...labels, 'revision', 'status'],
    });
    this.#latency = registry.histogram({
      name: 'slipway_invocation_latency_seconds',
      help: 'Time to answer a call, without the network.',
      labels,
      bounds: SECONDS_BOUNDS,
    });
    this.unrecorded = registry.counter({
      name: 'slipway_invocations_unrecorded_total',
      help: 'Calls answered under the recording policy none.',
      labels,
    });
    this.outcomes = registry.counter({
      name: 'slipway_outcomes_total',
      help: 'Outcomes received, by what became of them.',
      labels: ['project', 'result'],
    });
    this.writeFailures = registry.counter({ name: 'slipway_telemetry_write_failures_total', help: 'Writes of lines that failed.' })();
    this.segmentsStored = registry.counter({ name: 'slipway_telemetry_segments_stored_total', help: 'Segments turned into Parquet.' })();
    this.segmentFailures = registry.counter({
      name: 'slipway_telemetry_segment_failures_total',
      help: 'Attempts to turn a segment into Parquet that failed and will be repeated.',
    })();
    this.pendingSegments = registry.gauge({ name: 'slipway_telemetry_pending_segments', help: 'Segments that are not Parquet yet.' })();
    this.pendingBytes = registry.gauge({ name: 'slipway_telemetry_pending_bytes', help: 'Bytes of lines that are not Parquet yet.' })();
  }

  /** Counts one recorded call. */
  countCall(call: Invocation): void {
    const key = `${call.project} ${call.release} ${call.revision} ${call.status}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      const { project, release, revision, status } = call;
      if (this.#series.size >= REMEMBERED_LIMIT) this.#series.clear();
      series = {
        calls: this.#calls({ project, release, revision: String(revision), status }),
        latency: this.#latency({ project, release }),
      };
      this.#series.set(key, series);
    }
    series.calls.add();
    series.latency.observe(call.latencyMs / 1000);
  }
}
