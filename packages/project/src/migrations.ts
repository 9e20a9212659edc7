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
];
