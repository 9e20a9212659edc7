import { defineRoute, toRfc3339, type Capability, type Route } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { Catalog, Version } from './catalog.ts';
import { LineageQuery, LineageReply, VersionAliasParams, VersionBody, VersionParams, VersionsQuery, VersionsReply } from './contract.ts';
import { migrations } from './migrations.ts';

/** The tables alone, for tests that need them before there is a {@link Catalog}. They come after audit's. */
export const catalogSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'catalog', migrations };

/** What the catalog brings to the house: its tables and routes. */
export function catalogCapability(catalog: Catalog, records: Records): Capability {
  return {
    ...catalogSchema,
    routes: [
      listRoute(catalog),
      getRoute(catalog),
      lineageRoute(catalog),
      setAliasRoute(catalog, records),
      removeAliasRoute(catalog, records),
    ],
  };
}

function listRoute(catalog: Catalog): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/versions',
    permission: 'project.read',
    summary: 'List versions, newest first',
    query: VersionsQuery,
    response: VersionsReply,
    async handle({ project, query }) {
      const { limit, cursor, kind, name } = query;
      const page = await catalog.list(project, {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
        ...(kind === undefined ? {} : { kind }),
        ...(name === undefined ? {} : { name }),
      });
      return { items: await toBodies(catalog, project, page.items), nextCursor: page.nextCursor };
    },
  });
}

function getRoute(catalog: Catalog): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/versions/{version}',
    permission: 'project.read',
    summary: 'Show a version',
    params: VersionParams,
    response: VersionBody,
    handle: ({ project, params }) => show(catalog, project, params.version),
  });
}

function lineageRoute(catalog: Catalog): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/versions/{version}/lineage',
    permission: 'project.read',
    summary: 'Show what a version was made from, or what was made from it',
    params: VersionParams,
    query: LineageQuery,
    response: LineageReply,
    async handle({ project, params, query }) {
      const lineage = await catalog.lineage(project, params.version, query.direction, { depthLimit: query.depth });
      return {
        nodes: await toBodies(catalog, project, lineage.nodes),
        edges: [...lineage.edges],
        truncated: lineage.truncated,
      };
    },
  });
}

function setAliasRoute(catalog: Catalog, records: Records): Route {
  return defineRoute({
    method: 'PUT',
    path: '/v1/versions/{version}/aliases/{alias}',
    permission: 'version.write',
    summary: "Point an alias of the version's name at this version",
    params: VersionAliasParams,
    bodyKind: 'none',
    response: VersionBody,
    async handle({ project, params, principal }) {
      const { id, kind, name } = await catalog.get(project, params.version);
      const change = { kind, name, alias: params.alias, version: id, principal: principal.id };
      await records.transaction((tx) => catalog.setAlias(tx, project, change));
      return show(catalog, project, id);
    },
  });
}

function removeAliasRoute(catalog: Catalog, records: Records): Route {
  return defineRoute({
    method: 'DELETE',
    path: '/v1/versions/{version}/aliases/{alias}',
    permission: 'version.write',
    summary: "Remove an alias of the version's name, if it points at this version",
    params: VersionAliasParams,
    response: VersionBody,
    async handle({ project, params, principal }) {
      const { id, kind, name } = await catalog.get(project, params.version);
      const change = { kind, name, alias: params.alias, version: id, principal: principal.id };
      await records.transaction((tx) => catalog.removeAlias(tx, project, change));
      return show(catalog, project, id);
    },
  });
}

async function show(catalog: Catalog, project: string, id: string): Promise<VersionBody> {
  const version = await catalog.get(project, id);
  return toBody(version, (await catalog.aliases(project, [id])).get(id) ?? []);
}

async function toBodies(catalog: Catalog, project: string, versions: readonly Version[]): Promise<VersionBody[]> {
  const aliases = await catalog.aliases(
    project,
    versions.map((version) => version.id),
  );
  return versions.map((version) => toBody(version, aliases.get(version.id) ?? []));
}

function toBody(version: Version, aliases: readonly string[]): VersionBody {
  const { project: _project, createdAtMs, retiredAtMs, ...rest } = version;
  return {
    ...rest,
    createdAt: toRfc3339(createdAtMs),
    retiredAt: retiredAtMs === null ? null : toRfc3339(retiredAtMs),
    aliases: [...aliases],
  };
}
