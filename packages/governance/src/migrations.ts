import type { Migration } from '@slipway/kernel';

export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
create table governance_erasure (
  project text not null,
  id text primary key,
  -- Emptied when the erasure is done; until then a resumed run needs to know whom to erase.
  subject text,
  subject_hash text not null,
  run text not null,
  principal text not null,
  requested_at_ms bigint not null,
  completed_at_ms bigint,
  receipt jsonb
);
create index governance_erasure_project on governance_erasure (project, id desc);
`,
  },
  {
    id: '0002_uploads',
    sql: `
-- Bytes that were sent and that no version has taken over yet.
create table governance_upload (
  project text not null,
  sha256 text not null,
  size_bytes bigint not null,
  uploaded_at_ms bigint not null,
  checked_at_ms bigint,
  primary key (project, sha256)
);
create index governance_upload_by_age on governance_upload (uploaded_at_ms);
`,
  },
];
