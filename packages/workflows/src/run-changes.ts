import type { Audit } from '@slipway/audit';
import { InvalidError, isId, type Clock, type Ids, type Json, type Principal } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import { queueOf, type Definitions } from './definitions.ts';
import { cancelInEngine, enqueueRun, requeueInEngine, sendToRun } from './engine-store.ts';
import { RunEndedError, RunIdTakenError, RunNotRetryableError } from './errors.ts';
import { parseRunInput } from './executor.ts';
import { DESCENDANT_LIMIT } from './limits.ts';
import { cleanText, signalTopic } from './run-context.ts';
import { failedStepOf, findRun, insertRun, lockRun, markCancelled, openDescendants, requeueRun, sendNotice } from './run-store.ts';
import { hasEnded, type Run } from './run.ts';
import { asJson } from './step-codec.ts';

export interface StartRequest {
  readonly project: string;
  readonly principal: Principal;
  readonly workflow: string;
  readonly input: Json;
  /** For people; default the workflow's name. */
  readonly title?: string;
  /** The run that starts this one: cancelling it cancels this one too. */
  readonly parent?: string;
  /** Where the run's inputs came from; kept as given. */
  readonly provenance?: Json;
  /** Makes starting idempotent; see childRunId for runs started by a step. */
  readonly runId?: string;
  readonly delayMs?: number;
}

interface ChangeDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
}

interface RunRequest {
  readonly project: string;
  readonly id: string;
  readonly principal: Principal;
}

export interface StartDeps extends ChangeDeps {
  readonly ids: Ids;
  readonly applicationVersion: string;
  readonly definitions: Definitions;
}

/** See {@link Workflows.start}: row, place in the queue and audit event are part of the caller's transaction. */
export async function startRun(deps: StartDeps, tx: Tx, request: StartRequest): Promise<Run> {
  const definition = deps.definitions.current(request.workflow);
  const input = asJson(request.input, 'The input');
  parseRunInput(definition, input);
  const id = request.runId ?? deps.ids.next('run');
  if (!isId('run', id)) throw new InvalidError(`"${id.slice(0, 100)}" is not an id of a run.`, { details: { field: 'runId' } });
  const { delayMs = 0 } = request;
  if (!Number.isFinite(delayMs) || delayMs < 0) throw new InvalidError(`delayMs must be 0 or more, got ${delayMs}.`);
  const queue = queueOf(definition);
  const run = await insertRun(tx, {
    id,
    project: request.project,
    workflow: definition.name,
    version: definition.version,
    queue,
    title: cleanText(request.title ?? definition.name),
    principal: request.principal,
    parent: request.parent ?? null,
    input,
    provenance: asJson(request.provenance ?? {}, 'The provenance'),
    applicationVersion: deps.applicationVersion,
    atMs: deps.clock.nowMs(),
  });
  if (!run) return existingRun(tx, request, id);
  await enqueueRun(tx, { id, queue, delayMs });
  await sendNotice(tx, { kind: 'queued', run: id, queue, ...(delayMs > 0 ? { delayMs } : {}) });
  await audited(deps, tx, run, request.principal, 'started', { workflow: run.workflow, version: run.version, parent: run.parent });
  return run;
}

async function existingRun(tx: Tx, request: StartRequest, id: string): Promise<Run> {
  const existing = await findRun(tx, id);
  if (existing?.project === request.project && existing.workflow === request.workflow) return existing;
  throw new RunIdTakenError(`The run id ${id} is in use.`, { help: 'Leave runId out, or give a new one.' });
}

/** See {@link Workflows.cancel}. */
export async function cancelRun(deps: ChangeDeps, request: RunRequest): Promise<Run> {
  return deps.records.transaction(async (tx) => {
    const run = await lockRun(tx, request.project, request.id);
    if (run.status === 'cancelled') return run;
    if (hasEnded(run.status)) throw ended(run, 'cancelled');
    const below = await openDescendants(tx, run.project, run.id, DESCENDANT_LIMIT);
    const cancelled = await markCancelled(tx, [run.id, ...below], deps.clock.nowMs());
    await cancelInEngine(tx, cancelled);
    await audited(deps, tx, run, request.principal, 'cancelled', {
      workflow: run.workflow,
      with: cancelled.filter((id) => id !== run.id).slice(0, 1_000),
    });
    return lockRun(tx, request.project, request.id);
  });
}

/** See {@link Workflows.retry}. */
export async function retryRun(deps: ChangeDeps, request: RunRequest): Promise<Run> {
  return deps.records.transaction(async (tx) => {
    const run = await lockRun(tx, request.project, request.id);
    if (run.status !== 'failed' && run.status !== 'cancelled') {
      throw new RunNotRetryableError(`Run ${run.id} is ${run.status}; only a failed or cancelled run can be retried.`, {
        details: { run: run.id, status: run.status },
      });
    }
    const failedStep = await failedStepOf(tx, run.id);
    const queued = await requeueRun(tx, run.id);
    await requeueInEngine(tx, { id: run.id, queue: run.queue, failedStep });
    await sendNotice(tx, { kind: 'queued', run: run.id, queue: run.queue });
    await audited(deps, tx, run, request.principal, 'retried', { workflow: run.workflow, attempt: queued.attempt });
    return queued;
  });
}

/** See {@link Workflows.signal}. */
export async function signalRun(deps: ChangeDeps, request: { project: string; id: string; name: string; value: Json }): Promise<void> {
  const topic = signalTopic(request.name);
  const value = asJson(request.value, 'The value of the signal');
  await deps.records.transaction(async (tx) => {
    const run = await lockRun(tx, request.project, request.id);
    if (hasEnded(run.status)) throw ended(run, 'signalled');
    await sendToRun(tx, { run: run.id, topic, value: { value } });
  });
}

function ended(run: Run, verb: string): RunEndedError {
  return new RunEndedError(`Run ${run.id} has ${run.status === 'cancelled' ? 'been cancelled' : run.status}; it cannot be ${verb}.`, {
    details: { run: run.id, status: run.status },
  });
}

/** The audit log's head is locked last, so this comes after all other writes. */
async function audited(deps: ChangeDeps, tx: Tx, run: Run, principal: Principal, verb: string, data: Json): Promise<void> {
  await deps.audit.append(tx, run.project, {
    type: `workflows.run.${verb}`,
    principal: principal.id,
    subject: { kind: 'run', id: run.id },
    data,
  });
}
