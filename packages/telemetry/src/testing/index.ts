import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Audit, auditSchema, createAudit } from '@slipway/audit';
import { type Clock, type Invocation, createIds, createInvocationIds, systemClock } from '@slipway/kernel';
import { type Objects, openFolderObjects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import { type TestEngine, createTestRecords } from '@slipway/records/testing';
import { telemetrySchema } from '../capability.ts';
import { openTelemetry } from '../open-telemetry.ts';
import type { Telemetry, TelemetryOptions } from '../telemetry.ts';

/** A telemetry on a fresh store and folder, which can be closed and opened again as a restarted process would. */
export interface TelemetryFixture {
  readonly directory: string;
  readonly records: Records;
  readonly objects: Objects;
  readonly audit: Audit;
  readonly clock: Clock;
  /** The one opened last. */
  telemetry: Telemetry;
  /** Opens another one on the same files; close the one before first, unless a crash is meant. */
  reopen(options?: Partial<TelemetryOptions>): Promise<Telemetry>;
  close(): Promise<void>;
}

/** A migrated store that several fixtures may use one after the other. */
export function createTelemetryRecords(engine: TestEngine): Promise<Records> {
  return createTestRecords([auditSchema, telemetrySchema], engine);
}

export async function createTelemetryFixture(options: Partial<TelemetryOptions> & { engine?: TestEngine } = {}): Promise<TelemetryFixture> {
  const { engine = 'embedded', ...given } = options;
  const directory = await mkdtemp(join(tmpdir(), 'slipway-telemetry-'));
  const records = given.records ?? (await createTelemetryRecords(engine));
  const objects = await openFolderObjects(join(directory, 'objects'));
  const clock = given.clock ?? systemClock;
  const audit = createAudit({ records, clock, ids: createIds(clock) });
  const base: TelemetryOptions = { directory: join(directory, 'telemetry'), records, objects, audit, clock, replica: 0, ...given };
  const fixture: TelemetryFixture = {
    directory,
    records,
    objects,
    audit,
    clock,
    telemetry: await openTelemetry(base),
    async reopen(changed = {}) {
      fixture.telemetry = await openTelemetry({ ...base, ...changed });
      return fixture.telemetry;
    },
    async close() {
      await fixture.telemetry.close();
      if (!given.records) await records.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return fixture;
}

/** Makes invocations that differ only where told; ids are of the replica given. */
export function invocationMaker(clock: Clock = systemClock, replica = 0): (changes?: Partial<Invocation>) => Invocation {
  const nextId = createInvocationIds(clock, replica);
  return (changes = {}) => ({
    schema: 1,
    id: nextId(),
    requestId: 'req_1',
    row: 0,
    project: 'alpha',
    release: 'churn',
    revision: 1,
    version: 'mv_1',
    arm: 'live',
    armProbability: 1,
    unit: null,
    subject: null,
    eventTimeMs: clock.nowMs(),
    observedTimeMs: clock.nowMs(),
    replica,
    principal: 'prn_1',
    status: 'ok',
    input: { amount: 12.5, plan: 'basic' },
    output: { prediction: 'no', probabilities: { no: 0.8, yes: 0.2 } },
    error: null,
    run: null,
    latencyMs: 1.25,
    costMicros: 0,
    parent: null,
    trace: null,
    ...changes,
  });
}
