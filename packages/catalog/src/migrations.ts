import type { Migration } from '@slipway/kernel';

/** Meta is text, because jsonb refuses U+0000 and rewrites numbers. A retired recipe may be made again. */
export const migrations: readonly Migration[] = [
  {
    id: '0001_create',
    sql: `
      create table catalog_version (
        project text not null,
        id text not null,
        kind text not null,
        name text not null,
        number integer not null,
        recipe text not null,
        content text not null,
        run text,
        meta text not null,
        principal text not null,
        created_at_ms bigint not null,
        retired_at_ms bigint,
        retired_reason text,
        primary key (project, id),
        unique (project, kind, name, number));
      create unique index catalog_version_recipe on catalog_version (project, kind, name, recipe) where retired_at_ms is null;
      create index catalog_version_created on catalog_version (project, created_at_ms, id);
      create table catalog_parent (
        project text not null,
        child text not null,
        parent text not null,
        role text not null,
        primary key (project, child, parent, role),
        foreign key (project, child) references catalog_version (project, id),
        foreign key (project, parent) references catalog_version (project, id),
        check (child <> parent));
      create index catalog_parent_down on catalog_parent (project, parent);
      create table catalog_alias (
        project text not null,
        kind text not null,
        name text not null,
        alias text not null,
        version text not null,
        principal text not null,
        set_at_ms bigint not null,
        primary key (project, kind, name, alias),
        foreign key (project, version) references catalog_version (project, id));
      create index catalog_alias_version on catalog_alias (project, version);`,
  },
];
