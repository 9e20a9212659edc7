import type { Migration } from '@slipway/kernel';

export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
      create table telemetry_segment (
        id text primary key,
        project text not null,
        kind text not null,
        replica integer not null,
        -- range of the times inside the invocation ids: what a look-up by id needs
        first_ms bigint not null,
        last_ms bigint not null,
        -- range of the callers' times: what a window needs
        first_event_ms bigint not null,
        last_event_ms bigint not null,
        row_count bigint not null,
        size_bytes bigint not null,
        sha256 text not null,
        created_ms bigint not null
      );
      create index telemetry_segment_range on telemetry_segment (project, kind, last_ms desc, id);

      -- how far the sketches have read a segment that is not Parquet yet
      create table telemetry_progress (
        project text not null,
        segment text primary key,
        replica integer not null,
        observed_bytes bigint not null
      );

      -- objects that must go unless a segment names them: half-made ones after a crash, old ones after an erasure
      create table telemetry_garbage (
        project text not null,
        sha256 text not null,
        replica integer not null,
        created_ms bigint not null,
        primary key (project, sha256)
      );

      create table telemetry_sketch (
        project text not null,
        release text not null,
        revision integer not null,
        field text not null,
        level text not null,
        start_ms bigint not null,
        replica integer not null,
        sketch text not null,
        primary key (project, release, revision, field, level, start_ms, replica)
      );
      create index telemetry_sketch_level on telemetry_sketch (level, start_ms);

      create table telemetry_version_fields (
        project text not null,
        version text not null,
        fields text not null,
        primary key (project, version)
      );`,
  },
  {
    id: '0002_sketch_totals',
    sql: `
      -- a closed hour or day as one sketch, beside the rows it repeats: derived, and dropped by whoever writes into its time
      create table telemetry_sketch_total (
        project text not null,
        release text not null,
        revision integer not null,
        field text not null,
        level text not null,
        start_ms bigint not null,
        sketch text not null,
        primary key (project, release, revision, field, level, start_ms)
      );`,
  },
];
