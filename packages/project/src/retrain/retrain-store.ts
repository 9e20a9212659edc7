import { type Json, type Principal, Role, toRfc3339 } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { ATTEMPTS_SHOWN, AttemptFacts, AttemptStatus, type RetrainAttempt, RetrainPolicy, SkipCode, TriggerFinding } from './contract.ts';

declare module '@slipway/records' {
  interface Tables {
    project_retraining: {
      project: string;
      release: string;
      policy: string;
      principal: string;
      configured_at_ms: number;
      looked_at_ms: number;
    };
    project_retraining_attempt: {
      project: string;
      id: string;
      release: string;
      status: string;
      trigger: string;
      code: string | null;
      reason: string | null;
      run: string | null;
      version: string | null;
      revision: number | null;
      facts: string;
      train_seconds: number | null;
      event_at_ms: number | null;
      covered_to_ms: number | null;
      count: number;
      at_ms: number;
      last_at_ms: number;
      ended_at_ms: number | null;
    };
  }
}

const PrincipalShape: z.ZodType<Principal> = z.object({
  id: z.string(),
  project: z.string(),
  role: Role,
  instance: z.boolean(),
  label: z.string(),
});

/** Skipped attempts kept of a release; older ones are in the audit log. */
export const SKIPS_KEPT = 500;

export interface PolicyRow {
  readonly project: string;
  readonly release: string;
  readonly policy: RetrainPolicy;
  /** In whose name attempts are started by themselves: who set the policy. */
  readonly principal: Principal;
  readonly configuredAtMs: number;
}

const PolicyShape = z
  .object({
    project: z.string(),
    release: z.string(),
    policy: RetrainPolicy,
    principal: PrincipalShape,
    configured_at_ms: z.coerce.number(),
  })
  .transform(({ configured_at_ms, ...rest }): PolicyRow => ({ ...rest, configuredAtMs: configured_at_ms }));

const policyColumns = sql.raw('project, release, policy, principal, configured_at_ms');

export async function findPolicy(db: Db | Tx, project: string, release: string): Promise<PolicyRow | undefined> {
  const { rows } = await sql`select ${policyColumns} from project_retraining
    where project = ${project} and release = ${release}`.execute(db);
  return z.array(PolicyShape).parse(rows)[0];
}

export async function savePolicy(tx: Tx, row: PolicyRow): Promise<void> {
  const { project, release, policy, principal, configuredAtMs } = row;
  await sql`insert into project_retraining (project, release, policy, principal, configured_at_ms, looked_at_ms)
    values (${project}, ${release}, ${JSON.stringify(policy)}::jsonb, ${JSON.stringify(principal)}::jsonb, ${configuredAtMs}, 0)
    on conflict (project, release) do update set policy = excluded.policy, principal = excluded.principal,
      configured_at_ms = excluded.configured_at_ms`.execute(tx);
}

export async function deletePolicy(tx: Tx, project: string, release: string): Promise<boolean> {
  const { rows } = await sql`delete from project_retraining where project = ${project} and release = ${release} returning release`.execute(
    tx,
  );
  return rows.length > 0;
}

/** Policies with triggers whose turn it is, longest waiting first; of several processes that ask one gets each. */
export async function takePolicies(db: Db, nowMs: number, everyMs: number, limit: number): Promise<PolicyRow[]> {
  const { rows } = await sql`update project_retraining set looked_at_ms = ${nowMs}
    where (project, release) in (
      select project, release from project_retraining
      where looked_at_ms <= ${nowMs - everyMs} and jsonb_array_length(policy->'on') > 0
      order by looked_at_ms limit ${limit} for update skip locked)
    returning ${policyColumns}`.execute(db);
  return z.array(PolicyShape).parse(rows);
}

/** An attempt as the server works with it. */
export interface AttemptRow extends Omit<RetrainAttempt, 'eventTime' | 'at' | 'lastAt' | 'endedAt'> {
  readonly project: string;
  readonly eventAtMs: number | null;
  /** Newest event that it had; null when it had none. */
  readonly coveredToMs: number | null;
  readonly atMs: number;
  readonly lastAtMs: number;
  readonly endedAtMs: number | null;
}

const number = z.coerce.number();
const AttemptShape = z
  .object({
    project: z.string(),
    id: z.string(),
    release: z.string(),
    status: AttemptStatus,
    trigger: TriggerFinding,
    code: SkipCode.nullable(),
    reason: z.string().nullable(),
    run: z.string().nullable(),
    version: z.string().nullable(),
    revision: number.nullable(),
    facts: AttemptFacts,
    train_seconds: number.nullable(),
    event_at_ms: number.nullable(),
    covered_to_ms: number.nullable(),
    count: number,
    at_ms: number,
    last_at_ms: number,
    ended_at_ms: number.nullable(),
  })
  .transform(({ train_seconds, event_at_ms, covered_to_ms, at_ms, last_at_ms, ended_at_ms, ...rest }): AttemptRow => ({
    ...rest,
    trainSeconds: train_seconds,
    eventAtMs: event_at_ms,
    coveredToMs: covered_to_ms,
    atMs: at_ms,
    lastAtMs: last_at_ms,
    endedAtMs: ended_at_ms,
  }));

const attemptColumns = sql.raw(
  'project, id, release, status, trigger, code, reason, run, version, revision, facts, train_seconds, event_at_ms, covered_to_ms, count, at_ms, last_at_ms, ended_at_ms',
);

export function toAttempt(row: AttemptRow): RetrainAttempt {
  const { project: _project, eventAtMs, coveredToMs: _covered, atMs, lastAtMs, endedAtMs, ...rest } = row;
  return {
    ...rest,
    eventTime: eventAtMs === null ? null : toRfc3339(eventAtMs),
    at: toRfc3339(atMs),
    lastAt: toRfc3339(lastAtMs),
    endedAt: endedAtMs === null ? null : toRfc3339(endedAtMs),
  };
}

/** The newest first. */
export async function listAttempts(db: Db | Tx, project: string, release: string, limit = ATTEMPTS_SHOWN): Promise<AttemptRow[]> {
  const { rows } = await sql`select ${attemptColumns} from project_retraining_attempt
    where project = ${project} and release = ${release} order by at_ms desc, id desc limit ${limit}`.execute(db);
  return z.array(AttemptShape).parse(rows);
}

export async function findAttempt(db: Db | Tx, project: string, id: string): Promise<AttemptRow | undefined> {
  const { rows } = await sql`select ${attemptColumns} from project_retraining_attempt
    where project = ${project} and id = ${id}`.execute(db);
  return z.array(AttemptShape).parse(rows)[0];
}

/** The attempt that a release is in, and the last one that was not skipped. */
export async function lastStarted(db: Db | Tx, project: string, release: string): Promise<AttemptRow | undefined> {
  const { rows } = await sql`select ${attemptColumns} from project_retraining_attempt
    where project = ${project} and release = ${release} and status <> 'skipped' order by at_ms desc, id desc limit 1`.execute(db);
  return z.array(AttemptShape).parse(rows)[0];
}

/** Attempts of every project that are under way. */
export async function listRunning(db: Db | Tx, limit: number): Promise<AttemptRow[]> {
  const { rows } = await sql`select ${attemptColumns} from project_retraining_attempt
    where status = 'running' order by at_ms limit ${limit}`.execute(db);
  return z.array(AttemptShape).parse(rows);
}

/** Attempts that were started after a time, and the seconds they trained. */
export async function spentSince(
  db: Db | Tx,
  project: string,
  release: string,
  sinceMs: number,
): Promise<{ runs: number; seconds: number }> {
  const { rows } = await sql`select count(*) as runs, coalesce(sum(train_seconds), 0) as seconds from project_retraining_attempt
    where project = ${project} and release = ${release} and status <> 'skipped' and at_ms >= ${sinceMs}`.execute(db);
  return z.array(z.object({ runs: number, seconds: number })).parse(rows)[0] ?? { runs: 0, seconds: 0 };
}

export async function insertAttempt(tx: Tx, row: AttemptRow): Promise<void> {
  await sql`insert into project_retraining_attempt (${attemptColumns}) values (${row.project}, ${row.id}, ${row.release}, ${row.status},
    ${JSON.stringify(row.trigger)}::jsonb, ${row.code}, ${row.reason}, ${row.run}, ${row.version}, ${row.revision},
    ${JSON.stringify(row.facts)}::jsonb, ${row.trainSeconds}, ${row.eventAtMs}, ${row.coveredToMs}, ${row.count}, ${row.atMs},
    ${row.lastAtMs}, ${row.endedAtMs})`.execute(tx);
}

export async function updateAttempt(tx: Tx, row: AttemptRow): Promise<void> {
  await sql`update project_retraining_attempt set status = ${row.status}, reason = ${row.reason}, version = ${row.version},
    revision = ${row.revision}, facts = ${JSON.stringify(row.facts)}::jsonb, train_seconds = ${row.trainSeconds},
    trigger = ${JSON.stringify(row.trigger)}::jsonb, count = ${row.count}, last_at_ms = ${row.lastAtMs}, ended_at_ms = ${row.endedAtMs},
    covered_to_ms = ${row.coveredToMs} where project = ${row.project} and id = ${row.id}`.execute(tx);
}

/** Forgets the oldest skips beyond {@link SKIPS_KEPT}. */
export async function forgetSkips(tx: Tx, project: string, release: string): Promise<void> {
  await sql`delete from project_retraining_attempt where project = ${project} and id in (
    select id from project_retraining_attempt where project = ${project} and release = ${release} and status = 'skipped'
    order by at_ms desc, id desc offset ${SKIPS_KEPT})`.execute(tx);
}

/** JSON that the audit log takes. */
export const asJson = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;
