import type { Catalog } from '@slipway/catalog';
import { type Clock, Contract, type Row, parseJson } from '@slipway/kernel';
import { type Data, metaOf as datasetMetaOf } from '@slipway/data';
import { type MonitorPorts, type Reference, readReference } from '@slipway/monitoring';
import type { Objects } from '@slipway/objects';
import { AnyModelMeta } from '@slipway/project';
import { type Releases, liveRevision } from '@slipway/releases';
import type { Telemetry } from '@slipway/telemetry';
import { z } from 'zod';

/** References kept in memory: a version's never changes. */
const REFERENCES_LIMIT = 32;
/** Places in a dataset that sample rows are taken from. */
const BLOCKS_COUNT = 20;

/** What the metadata of every kind of model has. */
const Described = z.object({ contract: Contract });

/** How outcomes judge an answer; null for answers that no outcome of a single call can judge. */
function scoredAs(task: string | undefined): Awaited<ReturnType<MonitorPorts['findRelease']>>['task'] {
  if (task === 'binary' || task === 'multiclass' || task === 'regression') return task;
  // A forecast's prediction is its first step. Ranks mean something among the rows of their query only; clusters have no truth.
  return task === 'forecast' ? 'regression' : null;
}

/** What monitoring asks of its peers: which version answers, and what it was trained on. */
export function createMonitorPorts(deps: {
  releases: Releases;
  catalog: Catalog;
  objects: Objects;
  data: Data;
  telemetry: Telemetry;
  clock: Clock;
}): MonitorPorts {
  const { releases, catalog, objects, data, telemetry, clock } = deps;
  const references = new Map<string, Reference>();
  const metaOf = async (project: string, version: string) => AnyModelMeta.safeParse((await catalog.get(project, version)).meta).data;
  const readJson = async (project: string, sha256: string) => parseJson(new TextDecoder().decode(await objects.read(project, sha256)));
  return {
    telemetry,
    clock,
    async findRelease(project, name, revision) {
      const release = await releases.get(project, name);
      const number = revision ?? liveRevision(release.traffic) ?? 0;
      const { version } = await releases.revision(project, name, number);
      const meta = await metaOf(project, version);
      return {
        release: name,
        revision: number,
        version,
        task: scoredAs(meta?.task),
        classes: meta?.classes ?? null,
        positive: meta?.positive ?? null,
        sensitive: meta?.sensitive ?? [],
      };
    },
    async loadReference(project, version) {
      const key = `${project}/${version}`;
      const known = references.get(key);
      if (known) return known;
      const sha256 = (await metaOf(project, version))?.referenceSketches;
      if (sha256 === undefined) return undefined;
      const loaded = readReference(await readJson(project, sha256));
      if (references.size >= REFERENCES_LIMIT) references.delete(references.keys().next().value ?? '');
      references.set(key, loaded);
      return loaded;
    },
    async loadContract(project, version) {
      const sha256 = (await metaOf(project, version))?.metadata;
      return sha256 === undefined ? undefined : Described.safeParse(await readJson(project, sha256)).data?.contract;
    },
    async loadRows(project, version, limit) {
      const { nodes } = await catalog.lineage(project, version, 'up', { depthLimit: 1 });
      const dataset = nodes.find((node) => node.kind === 'dataset');
      const meta = dataset && datasetMetaOf(dataset);
      return meta && spreadRows(data, project, meta, limit);
    },
  };
}

/** Blocks of rows from all over a dataset, so that one sorted by time or class is seen whole. */
async function spreadRows(data: Data, project: string, meta: NonNullable<ReturnType<typeof datasetMetaOf>>, limit: number): Promise<Row[]> {
  const size = Math.ceil(limit / BLOCKS_COUNT);
  if (meta.rows <= limit) return [...(await data.readRows(project, meta, { limit, offset: 0 })).rows];
  const rows: Row[] = [];
  for (let block = 0; block < BLOCKS_COUNT; block += 1) {
    const offset = Math.floor((block * (meta.rows - size)) / (BLOCKS_COUNT - 1));
    rows.push(...(await data.readRows(project, meta, { limit: size, offset })).rows);
  }
  return rows;
}
