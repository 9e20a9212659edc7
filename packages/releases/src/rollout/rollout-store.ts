import { toRfc3339 } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { type Rollout, RolloutLook, RolloutPlan, RolloutStatus } from './contract.ts';

declare module '@slipway/records' {
  interface Tables {
    releases_rollout: {
      project: string;
      id: string;
      release_id: string;
      champion: number;
      candidate: number;
      plan: string;
      status: string;
      step: number;
      look: string | null;
      reason: string | null;
      run: string;
      principal: string;
      started_at_ms: number;
      step_entered_at_ms: number;
      ended_at_ms: number | null;
    };
  }
}

/** Rollouts that one pass of the tending looks at. */
export const TENDED_ROLLOUTS_LIMIT = 1_000;

/** A rollout as the server works with it: times in milliseconds, with its release's id. */
export interface RolloutRow extends Omit<Rollout, 'startedAt' | 'stepEnteredAt' | 'endedAt'> {
  readonly project: string;
  readonly releaseId: string;
  readonly startedAtMs: number;
  readonly stepEnteredAtMs: number;
  readonly endedAtMs: number | null;
}

const Row = z
  .object({
    project: z.string(),
    id: z.string(),
    release_id: z.string(),
    release_name: z.string(),
    champion: z.coerce.number(),
    candidate: z.coerce.number(),
    plan: RolloutPlan,
    status: RolloutStatus,
    step: z.coerce.number(),
    look: RolloutLook.nullable(),
    reason: z.string().nullable(),
    run: z.string(),
    principal: z.string(),
    started_at_ms: z.coerce.number(),
    step_entered_at_ms: z.coerce.number(),
    ended_at_ms: z.coerce.number().nullable(),
  })
  .transform(({ release_id, release_name, started_at_ms, step_entered_at_ms, ended_at_ms, ...rest }): RolloutRow => ({
    ...rest,
    releaseId: release_id,
    release: release_name,
    startedAtMs: started_at_ms,
    stepEnteredAtMs: step_entered_at_ms,
    endedAtMs: ended_at_ms,
  }));

const columns = sql.raw(
  'o.project, o.id, o.release_id, r.name as release_name, o.champion, o.candidate, o.plan, o.status, o.step, o.look, o.reason, o.run, o.principal, o.started_at_ms, o.step_entered_at_ms, o.ended_at_ms',
);
const from = sql.raw('releases_rollout o join releases_release r on r.id = o.release_id and r.project = o.project');

export function toRollout(row: RolloutRow): Rollout {
  const { project: _project, releaseId: _release, startedAtMs, stepEnteredAtMs, endedAtMs, ...rest } = row;
  return {
    ...rest,
    startedAt: toRfc3339(startedAtMs),
    stepEnteredAt: toRfc3339(stepEnteredAtMs),
    endedAt: endedAtMs === null ? null : toRfc3339(endedAtMs),
  };
}

export async function findRolloutRow(db: Db | Tx, project: string, id: string): Promise<RolloutRow | undefined> {
  const { rows } = await sql`select ${columns} from ${from} where o.project = ${project} and o.id = ${id}`.execute(db);
  return z.array(Row).parse(rows)[0];
}

/** The rollout that a release is in. */
export async function findActiveRollout(db: Db | Tx, project: string, release: string): Promise<RolloutRow | undefined> {
  const { rows } = await sql`select ${columns} from ${from}
    where o.project = ${project} and r.name = ${release} and o.ended_at_ms is null`.execute(db);
  return z.array(Row).parse(rows)[0];
}

/** Rollouts of a release (or of the project), the newest first; `before` is the id of the last one seen. */
export async function listRolloutRows(
  db: Db | Tx,
  project: string,
  options: { readonly release?: string | undefined; readonly before?: string | undefined; readonly limit: number },
): Promise<RolloutRow[]> {
  const { rows } = await sql`select ${columns} from ${from} where o.project = ${project}
      ${options.release === undefined ? sql`` : sql`and r.name = ${options.release}`}
      ${options.before === undefined ? sql`` : sql`and o.id < ${options.before}`}
    order by o.id desc limit ${options.limit}`.execute(db);
  return z.array(Row).parse(rows);
}

/** Rollouts of all projects that are going on, for the process that tends them. */
export async function listActiveRollouts(db: Db): Promise<RolloutRow[]> {
  const { rows } = await sql`select ${columns} from ${from} where o.ended_at_ms is null
    order by o.id limit ${TENDED_ROLLOUTS_LIMIT}`.execute(db);
  return z.array(Row).parse(rows);
}

export async function insertRollout(tx: Tx, row: Omit<RolloutRow, 'release' | 'look' | 'reason' | 'endedAtMs'>): Promise<void> {
  await sql`insert into releases_rollout
      (project, id, release_id, champion, candidate, plan, status, step, run, principal, started_at_ms, step_entered_at_ms)
    values (${row.project}, ${row.id}, ${row.releaseId}, ${row.champion}, ${row.candidate}, ${JSON.stringify(row.plan)}::jsonb, ${row.status},
      ${row.step}, ${row.run}, ${row.principal}, ${row.startedAtMs}, ${row.stepEnteredAtMs})`.execute(tx);
}

export async function saveRollout(
  tx: Tx,
  row: Pick<RolloutRow, 'project' | 'id' | 'status' | 'step' | 'stepEnteredAtMs' | 'reason' | 'endedAtMs'>,
): Promise<void> {
  await sql`update releases_rollout set status = ${row.status}, step = ${row.step}, step_entered_at_ms = ${row.stepEnteredAtMs},
      reason = ${row.reason}, ended_at_ms = ${row.endedAtMs}
    where project = ${row.project} and id = ${row.id}`.execute(tx);
}

/** Keeps the latest look; the history of changes is in the audit log. */
export async function saveLook(db: Db | Tx, rollout: { readonly project: string; readonly id: string }, look: RolloutLook): Promise<void> {
  await sql`update releases_rollout set look = ${JSON.stringify(look)}::jsonb
    where project = ${rollout.project} and id = ${rollout.id}`.execute(db);
}
