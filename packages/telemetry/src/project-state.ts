import type { Records } from '@slipway/records';
import { Mutex, ReadWriteLock } from './project-lock.ts';
import type { SegmentFile } from './segment-file.ts';
import { SketchRecorder } from './sketch-recorder.ts';
import type { WatchedInput } from './sketch-values.ts';

/** What one project has in memory. */
export interface ProjectState {
  readonly id: string;
  /** Segments that are not Parquet yet, open and closed, by id. */
  readonly pending: Map<string, SegmentFile>;
  /** Shared while segments are read, exclusive while one changes its form. */
  readonly lock: ReadWriteLock;
  /** Held by whoever looks outcomes up in order to add some, and by an erasure. */
  readonly outcomes: Mutex;
  readonly recorder: SketchRecorder;
  /** Input columns to watch by version; null when no contract was described. */
  readonly watched: Map<string, readonly WatchedInput[] | null>;
}

export function createProjectState(id: string, records: Records, replica: number): ProjectState {
  return {
    id,
    pending: new Map(),
    lock: new ReadWriteLock(),
    outcomes: new Mutex(),
    recorder: new SketchRecorder({ project: id, records, replica }),
    watched: new Map(),
  };
}
