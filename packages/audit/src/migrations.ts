import type { Migration } from '@slipway/kernel';

/**
 * No foreign keys or checks between the three: whatever their state is, `verify` must be able to read and report it, and
 * erasing a payload must never touch its event. Payloads are text, because jsonb refuses U+0000 and rewrites numbers.
 */
export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
      create table audit_head (
        project text primary key,
        seq bigint not null,
        hash text not null);
      create table audit_event (
        project text not null,
        seq bigint not null,
        id text not null unique,
        type text not null,
        principal text not null,
        subject_kind text not null,
        subject_id text not null,
        at_ms bigint not null,
        payload_hash text not null,
        hash text not null,
        primary key (project, seq));
      create index audit_event_type on audit_event (project, type, seq);
      create table audit_payload (
        project text not null,
        seq bigint not null,
        salt text,
        data text,
        erasable_subject text,
        erased_by bigint,
        primary key (project, seq));
      create index audit_payload_subject on audit_payload (project, erasable_subject) where erasable_subject is not null;`,
  },
  {
    id: '0002_subject',
    sql: 'create index audit_event_subject on audit_event (project, subject_kind, subject_id, seq)',
  },
];
