import { auditSchema } from '@slipway/audit';
import { catalogSchema } from '@slipway/catalog';
import { governanceSchema } from '@slipway/governance';
import { identityMigrations } from '@slipway/identity';
import type { Capability, Migration } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { monitoringSchema } from '@slipway/monitoring';
import { projectMigrations } from '@slipway/project';
import { releasesSchema } from '@slipway/releases';
import { telemetrySchema } from '@slipway/telemetry';
import { workflowsSchema } from '@slipway/workflows';
import { sql } from 'kysely';
import { httpCapability } from './http/index.ts';
import { replicaMigration } from './replica-store.ts';

/** Numbers of replicas are handed out once per home; 4,096 fit an invocation id. */
const serverMigrations: readonly Migration[] = [
  { id: '0001_create', sql: 'create sequence server_replica minvalue 0 maxvalue 4095 start 0 cycle' },
  replicaMigration,
];

/** Every table of the house, in an order in which each finds what it refers to. */
export function schema(records: Records): Pick<Capability, 'name' | 'migrations'>[] {
  return [
    auditSchema,
    { name: 'identity', migrations: identityMigrations },
    catalogSchema,
    workflowsSchema,
    telemetrySchema,
    releasesSchema,
    monitoringSchema,
    { name: 'project', migrations: projectMigrations },
    governanceSchema,
    { name: 'http', migrations: httpCapability(records).migrations ?? [] },
    { name: 'server', migrations: serverMigrations },
  ];
}

/** The next free replica number. */
export async function takeReplicaNumber(records: Records): Promise<number> {
  const { rows } = await sql<{ replica: string }>`select nextval('server_replica') as replica`.execute(records.db);
  return Number(rows[0]?.replica);
}
