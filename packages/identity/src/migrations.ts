import type { Migration } from '@slipway/kernel';

export const identityMigrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
create table identity_project (
  id text primary key,
  name text not null unique,
  created_by text not null,
  created_at timestamptz not null
);
create table identity_principal (
  id text primary key,
  project text not null references identity_project (id),
  role text not null,
  instance boolean not null,
  label text not null,
  created_by text not null,
  created_at timestamptz not null
);
create table identity_key (
  id text primary key,
  project text not null references identity_project (id),
  principal text not null references identity_principal (id),
  sha256 text not null unique,
  hint text not null,
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz,
  rotated_at timestamptz,
  replaced_by text
);
create index identity_key_project on identity_key (project, id collate "C" desc);
create index identity_key_principal on identity_key (principal);
`,
  },
];
