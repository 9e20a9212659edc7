import type { Migration } from '@slipway/kernel';

/**
 * `json` and not `jsonb` for what users give: it keeps the text as it came, so escapes that jsonb refuses (a NUL in a
 * string) survive. The engine's own tables live in the schema `dbos`, which it migrates itself at launch.
 */
export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
create table workflows_run (
  id text primary key,
  project text not null,
  workflow text not null,
  version int4 not null,
  queue text not null,
  status text not null check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  title text not null,
  principal json not null,
  parent text,
  input json not null,
  output json,
  error json,
  provenance json not null,
  application_version text not null,
  attempt int4 not null default 1,
  failed_step int4,
  execution text,
  executor text,
  event_count int4 not null default 0,
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz
);
create index workflows_run_by_age on workflows_run (project, created_at desc, id desc);
create index workflows_run_by_parent on workflows_run (parent) where parent is not null;
create index workflows_run_open on workflows_run (status) where status in ('queued', 'running');
create table workflows_event (
  run text not null references workflows_run (id) on delete cascade,
  seq int4 not null,
  at timestamptz not null,
  phase text not null,
  message text,
  ratio float8,
  data json,
  position text,
  primary key (run, seq)
);
create unique index workflows_event_position on workflows_event (run, position) where position is not null;
create table workflows_lease (
  executor text primary key,
  instance text not null,
  expires_at timestamptz not null,
  definitions json not null
);
create table workflows_schedule (
  project text not null,
  name text not null,
  workflow text not null,
  cron text not null,
  input json not null,
  principal json not null,
  next_at timestamptz not null,
  last_at timestamptz,
  last_run text,
  last_error json,
  primary key (project, name)
);
create index workflows_schedule_due on workflows_schedule (next_at);`,
  },
  {
    id: '0002_done_once',
    sql: `
create table workflows_done_once (
  run text not null references workflows_run (id) on delete cascade,
  name text not null,
  result json,
  primary key (run, name)
);`,
  },
];
