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
];
