import type { ColumnType, Generated } from 'kysely';

/** JSON columns are written as text and read back parsed. */
type JsonColumn = ColumnType<unknown, string, string>;
type JsonOrNull = ColumnType<unknown, string | null, string | null>;

interface RunTable {
  id: string;
  project: string;
  workflow: string;
  version: number;
  queue: string;
  status: string;
  title: string;
  principal: JsonColumn;
  parent: string | null;
  input: JsonColumn;
  output: JsonOrNull;
  error: JsonOrNull;
  provenance: JsonColumn;
  application_version: string;
  attempt: Generated<number>;
  failed_step: number | null;
  execution: string | null;
  executor: string | null;
  event_count: Generated<number>;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

interface EventTable {
  run: string;
  seq: number;
  at: Date;
  phase: string;
  message: string | null;
  ratio: number | null;
  data: JsonOrNull;
  position: string | null;
}

interface LeaseTable {
  executor: string;
  instance: string;
  expires_at: Date;
  definitions: JsonColumn;
}

interface ScheduleTable {
  project: string;
  name: string;
  workflow: string;
  cron: string;
  input: JsonColumn;
  principal: JsonColumn;
  next_at: Date;
  last_at: Date | null;
  last_run: string | null;
  last_error: JsonOrNull;
}

declare module '@slipway/records' {
  interface Tables {
    workflows_run: RunTable;
    workflows_event: EventTable;
    workflows_lease: LeaseTable;
    workflows_schedule: ScheduleTable;
  }
}
