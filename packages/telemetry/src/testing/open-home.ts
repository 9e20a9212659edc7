import { join } from 'node:path';
import { type Audit, auditSchema, createAudit } from '@slipway/audit';
import { createIds, systemClock } from '@slipway/kernel';
import { type Objects, openFolderObjects } from '@slipway/objects';
import { type Records, migrate, openRecords } from '@slipway/records';
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

/** Everything telemetry needs under one folder that outlives the process, as a server has it. */
export async function openHome(directory: string, options: Partial<TelemetryOptions> = {}): Promise<TestHome> {
  const records = await openRecords({ kind: 'embedded', directory: join(directory, 'records') });
  await migrate(records, [auditSchema, telemetrySchema]);
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
