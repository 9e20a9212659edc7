import assert from 'node:assert/strict';
import { auditSchema, createAudit, type Audit } from '@slipway/audit';
import { NotFoundError, createIds, systemClock } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { catalogSchema } from './capability.ts';
import type { Catalog, CatalogKind, Version } from './catalog.ts';
import { createCatalog } from './catalog-service.ts';

const OPERATIONS = 1_000;
const PROJECTS = ['tenant-a', 'tenant-b'] as const;
const KINDS: readonly CatalogKind[] = ['dataset', 'model'];
const NAMES = ['churn', 'fraud'];
const ALIASES = ['live', 'next'];

/** mulberry32: small, seeded, good enough to pick operations. */
function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Model {
  readonly owner: Map<string, string>;
  readonly ids: string[];
  foreignAsked: number;
  foreignAnswered: number;
}

const newModel = (): Model => ({ owner: new Map(), ids: [], foreignAsked: 0, foreignAnswered: 0 });

describe.each(testEngines)('catalog of two tenants on %s', (engine) => {
  let records: Records;
  let audit: Audit;
  let catalog: Catalog;
  beforeAll(async () => {
    records = await createTestRecords([auditSchema, catalogSchema], engine);
    const ids = createIds(systemClock);
    audit = createAudit({ records, clock: systemClock, ids });
    catalog = createCatalog({ records, audit, clock: systemClock, ids });
  });
  afterAll(() => records.close());

  /** @returns the first row shown to the wrong tenant, in words. */
  async function findLeak(subject: Catalog, model: Model, seed: number): Promise<string | undefined> {
    const random = createRandom(seed);
    for (let step = 0; step < OPERATIONS; step += 1) {
      const project = PROJECTS[random(2)] as string;
      const shown = await operate({ catalog: subject, transaction: records.transaction, random, model, project, step });
      const leaked = shown.find((version) => version.project !== project || model.owner.get(version.id) !== project);
      if (leaked || model.foreignAnswered > 0) return `seed ${seed} step ${step}: ${project} was shown ${leaked?.id ?? 'something'}`;
    }
    return undefined;
  }

  test(`CA11 ${OPERATIONS} random operations never show one tenant the other's rows`, async () => {
    const model = newModel();
    assert.equal(await findLeak(catalog, model, 1), undefined);
    assert.ok(model.foreignAsked > OPERATIONS / 20, `asked for foreign versions ${model.foreignAsked} times`);
    assert.ok(PROJECTS.every((project) => [...model.owner.values()].includes(project)));
    assert.equal((await audit.verify()).ok, true);
  });

  test('CA11 negative control: a catalog that forgets the project in one method is caught', async () => {
    const model = newModel();
    const forgetful: Catalog = { ...catalog, get: (project, id) => catalog.get(model.owner.get(id) ?? project, id) };
    assert.match((await findLeak(forgetful, model, 2)) ?? '', /was shown/);
  });
});

interface Step {
  readonly catalog: Catalog;
  readonly transaction: Records['transaction'];
  readonly random: (below: number) => number;
  readonly model: Model;
  readonly project: string;
  readonly step: number;
}

/** One random operation, often about the other tenant's ids. @returns every version it showed. */
async function operate(step: Step): Promise<readonly Version[]> {
  const { catalog, random, model, project } = step;
  const kind = KINDS[random(2)] as CatalogKind;
  const name = NAMES[random(2)] as string;
  const id = model.ids[random(Math.max(1, model.ids.length))] ?? 'mv_none';
  const alias = ALIASES[random(2)] as string;
  const principal = 'prn_1';
  switch (random(10)) {
    case 0:
    case 1:
    case 2:
      return registerOne(step, { kind, name, parent: random(2) === 0 ? undefined : id });
    case 3:
      return asked(step, id, async () => [await catalog.get(project, id)]);
    case 4:
      return asked(step, id, async () => (await catalog.lineage(project, id, random(2) === 0 ? 'up' : 'down')).nodes);
    case 5:
      return asked(step, undefined, async () => [
        await catalog.resolve(project, kind, [name, `${name}@${alias}`, `${name}:3`][random(3)] ?? name),
      ]);
    case 6:
      return (await catalog.list(project, { kind, limit: 1 + random(20) })).items;
    case 7:
      return asked(step, id, async () => {
        const change = { kind, name, alias, version: id, principal };
        await step.transaction((tx) => catalog.setAlias(tx, project, change));
        return [await catalog.resolve(project, kind, `${name}@${alias}`)];
      });
    case 8:
      return asked(step, id, async () =>
        [...(await catalog.aliases(project, [id])).keys()].map((found) => ({ id: found, project }) as Version),
      );
    default:
      if (random(8) === 0)
        return asked(step, id, () => step.transaction(async (tx) => [await catalog.retire(tx, project, id, 'test', principal)]));
      return [await catalog.findByRecipe(project, kind, name, sha256Hex(String(random(300))))].filter((version) => version !== undefined);
  }
}

/** The ways an id that exists may be refused: it is another tenant's, retired, or of another name. */
async function asked(step: Step, id: string | undefined, work: () => Promise<readonly Version[]>): Promise<readonly Version[]> {
  const isForeign = id !== undefined && step.model.owner.has(id) && step.model.owner.get(id) !== step.project;
  if (isForeign) step.model.foreignAsked += 1;
  try {
    const shown = await work();
    if (isForeign && shown.length > 0) step.model.foreignAnswered += 1;
    return shown;
  } catch (error) {
    if (isForeign) assert.ok(error instanceof NotFoundError, String(error));
    else assert.ok(['notFound', 'conflict'].includes((error as { kind?: string }).kind ?? ''), String(error));
    return [];
  }
}

async function registerOne(step: Step, what: { kind: CatalogKind; name: string; parent: string | undefined }): Promise<readonly Version[]> {
  const { catalog, random, model, project } = step;
  return asked(step, what.parent, async () => {
    const label = String(random(300));
    const { version } = await step.transaction((tx) =>
      catalog.register(tx, {
        project,
        kind: what.kind,
        name: what.name,
        // A recipe that exists needs no parents, so a foreign parent must come with a new one to be looked at.
        recipe: sha256Hex(what.parent === undefined ? label : `step ${step.step}`),
        content: sha256Hex(label),
        run: null,
        principal: 'prn_1',
        meta: {},
        parents: what.parent === undefined ? [] : [{ id: what.parent, role: 'data' }],
      }),
    );
    if (!model.owner.has(version.id)) model.ids.push(version.id);
    model.owner.set(version.id, model.owner.get(version.id) ?? project);
    return [version];
  });
}
