import { join } from 'node:path';
import { type Audit, auditSchema, createAudit } from '@slipway/audit';
import { createIds, systemClock } from '@slipway/kernel';
import { type Objects, openFolderObjects } from '@slipway/objects';
import { sha256Hex } from '@slipway/kernel/hash';
import { type Records, migrate, openRecords } from '@slipway/records';
import { copyTestStore } from '@slipway/records/testing';
import { telemetrySchema } from '../capability.ts';
import { openTelemetry } from '../open-telemetry.ts';
import type { Telemetry, TelemetryOptions } from '../telemetry.ts';

export interface TestHome {
  readonly records: Records;
  readonly objects: Objects;
  readonly audit: Audit;
  readonly telemetry: Telemetry;
  close(): Promise<void>;
}

const schema = [auditSchema, telemetrySchema];
const recordsIn = (directory: string) => openRecords({ kind: 'embedded', directory });

/** Gives a new home its empty tables without the four seconds that a first start takes for them. */
export async function migrateHome(directory: string): Promise<void> {
  const key = `telemetry-${sha256Hex(JSON.stringify(schema)).slice(0, 16)}`;
  await copyTestStore(join(directory, 'records'), key, async (template) => {
    const records = await recordsIn(template);
    await migrate(records, schema);
    await records.close();
  });
}

/** Everything telemetry needs under one folder that outlives the process, as a server has it. */
export async function openHome(directory: string, options: Partial<TelemetryOptions> = {}): Promise<TestHome> {
  const records = await recordsIn(join(directory, 'records'));
  await migrate(records, schema);
  const objects = await openFolderObjects(join(directory, 'objects'));
  const clock = systemClock;
  const audit = createAudit({ records, clock, ids: createIds(clock) });
  const telemetry = await openTelemetry({
    directory: join(directory, 'telemetry'),
    records,
    objects,
    audit,
    clock,
    replica: 0,
    ...options,
  });
  return {
    records,
    objects,
    audit,
    telemetry,
    async close() {
      await telemetry.close();
      await records.close();
    },
  };
}
