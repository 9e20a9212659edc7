import type { Migration } from '@slipway/kernel';

export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
-- Finished evaluations of searches that are under way; gone when the search has ended.
create table project_search_evaluation (
  project text not null,
  run text not null,
  key text not null,
  results bytea not null,
  saved_at_ms bigint not null,
  primary key (project, run, key)
);
create index project_search_evaluation_saved on project_search_evaluation (project, saved_at_ms);
`,
  },
  {
    id: '0002_retraining',
    sql: `
create table project_retraining (
  project text not null,
  release text not null,
  policy jsonb not null,
  principal jsonb not null,
  configured_at_ms bigint not null,
  -- Whose turn it is, over all processes.
  looked_at_ms bigint not null,
  primary key (project, release)
);
create table project_retraining_attempt (
  project text not null,
  id text primary key,
  release text not null,
  status text not null,
  trigger jsonb not null,
  code text,
  reason text,
  run text,
  version text,
  revision integer,
  facts jsonb not null,
  train_seconds double precision,
  event_at_ms bigint,
  covered_to_ms bigint,
  count integer not null,
  at_ms bigint not null,
  last_at_ms bigint not null,
  ended_at_ms bigint
);
create index project_retraining_attempt_release on project_retraining_attempt (project, release, at_ms desc, id desc);
-- One at a time for each release.
create unique index project_retraining_attempt_running on project_retraining_attempt (project, release) where status = 'running';
`,
  },
];
