import { randomUUID } from 'node:crypto';
import type { Audit } from '@slipway/audit';
import { PlatformError, type Clock, type Json, type WorkflowDefinition } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { z } from 'zod';
import type { Definitions } from './definitions.ts';
import { hasStoredSteps, putBack } from './engine-store.ts';
import type { Engine } from './engine.ts';
import { DefinitionMissingError, RunInputError, StepError } from './errors.ts';
import { anotherKnows } from './lease-store.ts';
import type { Log } from './log.ts';
import { RunContext, cancelledReason, standStill, type ContextDeps, type Execution } from './run-context.ts';
import { endRun, findRun, releaseRun, repinRun, sendNotice, takeRun } from './run-store.ts';
import type { Run } from './run.ts';
import { asJson, errorOf } from './step-codec.ts';
import { untilReachable } from './transient.ts';

export interface ExecutorDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Log;
  readonly definitions: Definitions;
  readonly executorId: string;
  readonly repeatSteps?: boolean;
}

/** A run that this program cannot execute, but another live one can, goes back for this long. */
const PUT_BACK_MS = 2_000;

/**
 * Executes runs that the engine hands over. The end of a run is written to the run's own row first, in one transaction
 * with its audit event; the engine's record follows. A process killed between the two finds the row ended when the
 * engine hands the run over again, and only lets the engine catch up.
 */
export class Executor {
  readonly #deps: ExecutorDeps;
  readonly #executions = new Map<string, Execution>();
  readonly #activeSteps = new Set<Promise<unknown>>();
  readonly #engine = Promise.withResolvers<Engine>();
  #stopping = false;

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
  }

  /** The engine hands out runs while it is still starting; they wait for this. */
  attach(engine: Engine): void {
    this.#engine.resolve(engine);
  }

  /** Ids of the runs that this process executes. */
  runs(): string[] {
    return [...new Set([...this.#executions.values()].map((execution) => execution.run.id))];
  }

  /** Stops the executions of a run here, if there are any. */
  cancel(run: string): void {
    for (const execution of this.#executions.values()) if (execution.run.id === run) execution.abort.abort(cancelledReason(run));
  }

  /** Lets running steps finish, at most this long, and lets nothing new begin; what is left goes on at the next launch. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    for (const execution of this.#executions.values()) execution.abort.abort(new Error('The process is shutting down.'));
    const steps = Promise.all(this.#activeSteps);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([steps, new Promise((resolve) => (timer = setTimeout(resolve, drainMs)))]);
    clearTimeout(timer);
  }

  /** Called by the engine. */
  async execute(id: string): Promise<void> {
    if (this.#stopping) return standStill();
    const engine = await this.#engine.promise;
    const { records, clock, executorId } = this.#deps;
    const token = randomUUID();
    const run = await this.#persist(() => takeRun(records.db, { id, execution: token, executor: executorId, atMs: clock.nowMs() }));
    if (!run) return this.#alreadyEnded(id);
    const execution: Execution = { run, token, abort: new AbortController() };
    this.#executions.set(token, execution);
    const ended = await this.#run(engine, execution).finally(() => {
      this.#executions.delete(token);
      this.#freePlace(engine, run.queue);
    });
    return ended ? undefined : standStill();
  }

  /** @returns false when the run goes on elsewhere or later. */
  async #run(engine: Engine, execution: Execution): Promise<boolean> {
    const { run, token } = execution;
    const prepared = await this.#prepare(execution).catch((error: unknown) => ({ error }));
    if (prepared === undefined) return false;
    const outcome = 'error' in prepared ? prepared : await this.#work(engine, execution, prepared);
    if (this.#stopping) return false;
    if ('error' in outcome && engine.isParked(outcome.error)) throw outcome.error;
    await this.#persist(() => this.#end(run, token, outcome));
    if ('error' in outcome) throw new Error(`run failed: ${errorOf(outcome.error, run.id).code}`);
    return true;
  }

  #persist<T>(operation: () => Promise<T>): Promise<T> {
    return untilReachable(operation, () => this.#stopping);
  }

  async #work(
    engine: Engine,
    execution: Execution,
    prepared: { definition: WorkflowDefinition; input: unknown },
  ): Promise<{ output: Json } | { error: unknown }> {
    const { records, clock, log, repeatSteps } = this.#deps;
    const stopping = () => this.#stopping;
    const deps: ContextDeps = { records, clock, log, repeatSteps, engine, stopping, activeSteps: this.#activeSteps };
    try {
      // The definition's own schema made the input, which is what types its `run` (see defineWorkflow).
      const output = await prepared.definition.run(new RunContext(deps, execution), prepared.input as never);
      return { output: asJson(output ?? null, `The output of workflow ${execution.run.workflow}`) };
    } catch (error) {
      return { error };
    }
  }

  /** The code and the input, or undefined when the run was left to another process. */
  async #prepare(execution: Execution): Promise<{ definition: WorkflowDefinition; input: unknown } | undefined> {
    const { definitions, records, executorId } = this.#deps;
    const { run } = execution;
    const pinned = definitions.find(run.workflow, run.version);
    if (pinned) return { definition: pinned, input: parseRunInput(pinned, run.input) };
    if (await anotherKnows(records.db, { executor: executorId, workflow: run.workflow, version: run.version })) {
      await records.transaction(async (tx) => {
        await releaseRun(tx, run.id, execution.token);
        await putBack(tx, run.id, PUT_BACK_MS);
        await sendNotice(tx, { kind: 'queued', run: run.id, queue: run.queue, delayMs: PUT_BACK_MS });
      });
      return undefined;
    }
    const latest = definitions.latest(run.workflow);
    if (!latest || (await hasStoredSteps(records.db, run.id))) throw missingDefinition(run, latest);
    // Nothing of the run has been stored, so the newer code can take it as if it had been started now.
    const input = parseRunInput(latest, run.input);
    await repinRun(records.db, run.id, latest.version);
    return { definition: latest, input };
  }

  async #end(run: Run, token: string, outcome: { output: Json } | { error: unknown }): Promise<void> {
    const failure = 'error' in outcome ? errorOf(outcome.error, run.id) : null;
    await this.#deps.records.transaction(async (tx) => {
      const ended = await endRun(tx, {
        id: run.id,
        execution: token,
        status: failure ? 'failed' : 'succeeded',
        output: 'output' in outcome ? outcome.output : undefined,
        error: failure,
        failedStep: 'error' in outcome ? failedStep(outcome.error) : null,
        atMs: this.#deps.clock.nowMs(),
      });
      if (!ended) return;
      if ('error' in outcome && !(outcome.error instanceof PlatformError)) {
        this.#deps.log({ level: 'error', message: `Run ${run.id} of ${run.workflow} failed.`, error: outcome.error, run: run.id });
      }
      await this.#deps.audit.append(tx, run.project, {
        type: failure ? 'workflows.run.failed' : 'workflows.run.succeeded',
        principal: run.principal.id,
        subject: { kind: 'run', id: run.id },
        data: failure ? { workflow: run.workflow, code: failure.code } : { workflow: run.workflow },
      });
    });
  }

  /** The row says how it ended; the engine is told the same. */
  async #alreadyEnded(id: string): Promise<void> {
    const run = await findRun(this.#deps.records.db, id);
    if (run?.status === 'failed') throw new Error(`run failed: ${run.error?.code}`);
  }

  /** The engine records the outcome just after this function's caller; then the queue has a place for the next run. */
  #freePlace(engine: Engine, queue: string): void {
    if (this.#stopping) return;
    for (const afterMs of FREE_PLACE_MS) setTimeout(() => !this.#stopping && engine.nudge(queue), afterMs).unref();
  }
}

const FREE_PLACE_MS = [15, 150];
const CAUSE_DEPTH_LIMIT = 10;

/** The position of the step whose failure ended the run, also when the workflow wrapped it with `cause`. */
function failedStep(thrown: unknown): number | null {
  let error = thrown;
  for (let depth = 0; depth < CAUSE_DEPTH_LIMIT; depth += 1) {
    if (error instanceof StepError) return error.position;
    if (!(error instanceof Error)) return null;
    error = error.cause;
  }
  return null;
}

/** @throws {RunInputError} naming each field. */
export function parseRunInput(definition: WorkflowDefinition, input: Json): unknown {
  const parsed = definition.input.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new RunInputError(`The input of workflow ${definition.name} is not valid: ${z.prettifyError(parsed.error).slice(0, 2_000)}`, {
    details: {
      problems: parsed.error.issues.slice(0, 100).map((issue) => ({ field: issue.path.map(String).join('.'), problem: issue.message })),
    },
  });
}

function missingDefinition(run: Run, latest: WorkflowDefinition | undefined): DefinitionMissingError {
  const has = latest ? `has version ${latest.version}` : 'does not have this workflow';
  return new DefinitionMissingError(`This run needs version ${run.version} of workflow ${run.workflow}; this program ${has}.`, {
    details: { workflow: run.workflow, version: run.version, available: latest?.version ?? null },
    help: 'Start a new run, or retry this one with a program that has that version.',
  });
}
