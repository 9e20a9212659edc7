import type { Audit } from '@slipway/audit';
import { InvalidError, Name, NotFoundError, PlatformError, type Json, type Principal } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import { nextCronMs, parseCron } from './cron.ts';
import type { Definitions } from './definitions.ts';
import { parseRunInput } from './executor.ts';
import { SCHEDULE_LIMIT } from './limits.ts';
import type { Log } from './log.ts';
import {
  advanceSchedule,
  claimDueSchedule,
  countSchedules,
  databaseNowMs,
  deleteSchedule,
  saveSchedule,
  type Schedule,
} from './schedule-store.ts';
import type { Run } from './run.ts';
import { errorOf } from './step-codec.ts';

export interface ScheduleRequest {
  readonly project: string;
  readonly principal: Principal;
  /** Its name within the project; scheduling the same name again replaces it. */
  readonly name: string;
  readonly workflow: string;
  /** In UTC; see parseCron for the form. */
  readonly cron: string;
  readonly input: Json;
}

export interface SchedulesDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly log: Log;
  readonly definitions: Definitions;
  readonly start: (
    tx: Tx,
    request: { project: string; principal: Principal; workflow: string; input: Json; title: string; provenance: Json },
  ) => Promise<Run>;
}

/** Schedules fired in one pass; the next pass, a second later, takes more. */
const FIRE_LIMIT = 50;

export async function setSchedule(deps: SchedulesDeps, tx: Tx, request: ScheduleRequest): Promise<void> {
  if (!Name.safeParse(request.name).success) {
    throw new InvalidError(`"${request.name.slice(0, 100)}" cannot be the name of a schedule.`, {
      help: 'Use 1 to 64 of a-z, 0-9, dot, underscore, dash.',
    });
  }
  parseRunInput(deps.definitions.current(request.workflow), request.input);
  const nextAtMs = nextCronMs(parseCron(request.cron), await databaseNowMs(tx));
  await saveSchedule(tx, { ...request, nextAtMs });
  if ((await countSchedules(tx, request.project)) > SCHEDULE_LIMIT) {
    throw new InvalidError(`A project has at most ${SCHEDULE_LIMIT} schedules.`, { details: { limit: SCHEDULE_LIMIT } });
  }
  await deps.audit.append(tx, request.project, {
    type: 'workflows.schedule.set',
    principal: request.principal.id,
    subject: { kind: 'schedule', id: request.name },
    data: { workflow: request.workflow, cron: request.cron },
  });
}

export async function removeSchedule(
  deps: SchedulesDeps,
  tx: Tx,
  request: { project: string; principal: Principal; name: string },
): Promise<void> {
  if (!(await deleteSchedule(tx, request.project, request.name))) {
    throw new NotFoundError(`There is no schedule ${request.name.slice(0, 100)} in this project.`);
  }
  await deps.audit.append(tx, request.project, {
    type: 'workflows.schedule.removed',
    principal: request.principal.id,
    subject: { kind: 'schedule', id: request.name },
    data: {},
  });
}

/**
 * Starts what is due. A tick is claimed by locking its row and its run is part of the same commit, so each tick starts
 * one run however many workers look. Ticks missed while no worker ran are made up by one run.
 */
export async function fireDueSchedules(deps: SchedulesDeps): Promise<void> {
  for (let fired = 0; fired < FIRE_LIMIT; fired += 1) {
    const more = await deps.records.transaction(async (tx) => {
      const schedule = await claimDueSchedule(tx, deps.definitions.names());
      if (!schedule) return false;
      await fire(deps, tx, schedule);
      return true;
    });
    if (!more) return;
  }
}

async function fire(deps: SchedulesDeps, tx: Tx, schedule: Schedule): Promise<void> {
  const nowMs = await databaseNowMs(tx);
  const nextAtMs = nextCronMs(parseCron(schedule.cron), nowMs);
  const advance = { project: schedule.project, name: schedule.name, nextAtMs, lastAtMs: schedule.nextAtMs };
  try {
    // What the newest definition refuses must not stop the other schedules.
    parseRunInput(deps.definitions.current(schedule.workflow), schedule.input);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    deps.log({ level: 'error', message: `Schedule ${schedule.name} of ${schedule.project} cannot start ${schedule.workflow}.`, error });
    return advanceSchedule(tx, { ...advance, run: null, error: errorOf(error, schedule.name) });
  }
  const { project, principal, workflow, input } = schedule;
  const provenance = { schedule: schedule.name, tick: new Date(schedule.nextAtMs).toISOString() };
  const run = await deps.start(tx, { project, principal, workflow, input, title: `${workflow} (${schedule.name})`, provenance });
  await advanceSchedule(tx, { ...advance, run: run.id, error: null });
}
