import type { Db } from '@slipway/records';
import { LINEAGE_DEPTH_MAX, LINEAGE_EDGE_LIMIT, LINEAGE_NODE_LIMIT, type Lineage, type LineageEdge, type Version } from './catalog.ts';
import { InvalidReferenceError } from './errors.ts';
import { findByIds, listEdges } from './version-store.ts';

/**
 * Walks the graph one step at a time, each step one query. It ends because the graph has no cycles: a version's parents
 * exist before it and never change.
 */
export async function walkLineage(db: Db, start: Version, direction: 'up' | 'down', depthLimit: number): Promise<Lineage> {
  if (!Number.isInteger(depthLimit) || depthLimit < 1 || depthLimit > LINEAGE_DEPTH_MAX) {
    throw new InvalidReferenceError(`The depth must be an integer from 1 to ${LINEAGE_DEPTH_MAX}.`, { details: { field: 'depth' } });
  }
  const seen = new Set([start.id]);
  const edges: LineageEdge[] = [];
  let truncated = false;
  let frontier = [start.id];
  for (let depth = 0; frontier.length > 0; depth += 1) {
    const found = await listEdges(db, start.project, { from: frontier, direction, limit: LINEAGE_EDGE_LIMIT - edges.length + 1 });
    if (depth >= depthLimit) {
      // Edges between versions already seen were found on the way; what is left leads further than asked.
      truncated ||= found.length > 0;
      break;
    }
    const step = takeStep(found, { seen, direction, edgesLeft: LINEAGE_EDGE_LIMIT - edges.length });
    edges.push(...step.edges);
    truncated ||= step.truncated;
    frontier = step.next;
  }
  const versions = new Map((await findByIds(db, start.project, [...seen])).map((version) => [version.id, version]));
  return { nodes: [...seen].map((id) => versions.get(id)).filter((version) => version !== undefined), edges, truncated };
}

/** Adds what one step found to what was seen, within the limits. */
function takeStep(
  found: readonly LineageEdge[],
  walk: { readonly seen: Set<string>; readonly direction: 'up' | 'down'; readonly edgesLeft: number },
): { edges: LineageEdge[]; next: string[]; truncated: boolean } {
  const edges: LineageEdge[] = [];
  const next: string[] = [];
  let truncated = false;
  for (const edge of found) {
    const id = walk.direction === 'up' ? edge.parent : edge.child;
    const isNew = !walk.seen.has(id);
    if (edges.length >= walk.edgesLeft || (isNew && walk.seen.size >= LINEAGE_NODE_LIMIT)) {
      truncated = true;
      continue;
    }
    edges.push(edge);
    if (!isNew) continue;
    walk.seen.add(id);
    next.push(id);
  }
  return { edges, next, truncated };
}
