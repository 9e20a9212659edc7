import type { Migration } from '@slipway/kernel';

export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
create table releases_release (
  project text not null,
  id text primary key,
  name text not null,
  environment text not null default 'production',
  traffic jsonb not null,
  created_at_ms bigint not null,
  updated_at_ms bigint not null,
  unique (project, name)
);
create table releases_revision (
  project text not null,
  id text primary key,
  release_id text not null references releases_release (id),
  number integer not null,
  version text not null,
  kind text not null,
  parts jsonb not null,
  recording text not null,
  run text,
  principal text not null,
  created_at_ms bigint not null,
  unique (release_id, number)
);
create index releases_revision_version on releases_revision (project, version);
`,
  },
  {
    id: '0002_rollouts',
    sql: `
alter table releases_release add column mirrors jsonb not null default '[]';
create table releases_rollout (
  project text not null,
  id text primary key,
  release_id text not null references releases_release (id),
  champion integer not null,
  candidate integer not null,
  plan jsonb not null,
  status text not null,
  step integer not null,
  look jsonb,
  reason text,
  run text not null,
  principal text not null,
  started_at_ms bigint not null,
  step_entered_at_ms bigint not null,
  ended_at_ms bigint
);
create unique index releases_rollout_active on releases_rollout (release_id) where ended_at_ms is null;
create index releases_rollout_release on releases_rollout (project, release_id, started_at_ms);
`,
  },
  {
    id: '0003_serving',
    sql: "alter table releases_revision add column serving jsonb not null default '{}';",
  },
];
