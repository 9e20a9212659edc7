import type { Migration } from '@slipway/kernel';

export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
create table monitoring_monitor (
  project text not null,
  release text not null,
  settings jsonb not null,
  updated_at_ms bigint not null,
  primary key (project, release)
);
-- When each part of a monitor last looked: whose turn it is.
create table monitoring_check (
  project text not null,
  release text not null,
  section text not null,
  checked_at_ms bigint not null,
  primary key (project, release, section)
);
create table monitoring_alert (
  project text not null,
  id text primary key,
  release text not null,
  revision integer not null,
  kind text not null,
  about text not null,
  severity text not null,
  status text not null,
  message text not null,
  cause text,
  command text not null,
  window_from_ms bigint not null,
  window_to_ms bigint not null,
  count integer not null,
  -- Checks in a row that no longer found it.
  clear_count integer not null,
  first_seen_ms bigint not null,
  last_seen_ms bigint not null,
  acknowledged_by text,
  note text,
  resolved_at_ms bigint,
  resolved_by text
);
-- A finding that repeats is one alert until it is resolved.
create unique index monitoring_alert_current on monitoring_alert (project, release, kind, about) where status <> 'resolved';
create index monitoring_alert_project on monitoring_alert (project, id desc);
create table monitoring_channel (
  project text not null,
  id text primary key,
  name text not null,
  target jsonb not null,
  secret text,
  minimum_severity text not null,
  created_at_ms bigint not null,
  unique (project, name)
);
create table monitoring_delivery (
  project text not null,
  id text primary key,
  channel text not null references monitoring_channel (id) on delete cascade,
  payload jsonb not null,
  status text not null,
  attempts integer not null,
  next_at_ms bigint not null,
  last_error text,
  created_at_ms bigint not null,
  sent_at_ms bigint
);
create index monitoring_delivery_next on monitoring_delivery (next_at_ms) where status = 'waiting';
create index monitoring_delivery_channel on monitoring_delivery (channel, status);
`,
  },
  {
    id: '0002_seal_channels',
    // What a channel sends to and with is sealed into one text; `target` keeps its kind and host. Rows from before are sealed at the start.
    sql: 'alter table monitoring_channel add column sealed text',
  },
];
