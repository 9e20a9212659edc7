import { type Clock, type Ids, InvalidError, type Json, type Outcome, canonicalJson } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { z } from 'zod';
import { OutcomeInput, type OutcomeProblem, type OutcomesReply } from './contract.ts';
import { OutcomeInvalidError, OutcomesRefusedError } from './errors.ts';
import { OUTCOMES_PER_CALL_LIMIT, OUTCOME_VALUE_LIMIT_CHARACTERS } from './limits.ts';
import { outcomeLine } from './line.ts';
import type { ProjectState } from './project-state.ts';
import type { Reader } from './reader.ts';
import { outcomeKey } from './resolve-outcomes.ts';

export interface OutcomeDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly reader: Reader;
  /** Writes lines of a project; resolves when they are durable. */
  readonly write: (project: string, lines: readonly string[]) => Promise<void>;
  /** Whether another replica may hold an invocation that cannot be read here yet. */
  readonly mayBeElsewhere: (invocation: string) => boolean;
}

/**
 * Takes outcomes: each must name an invocation of the project, a repeated one counts as a duplicate, and one that cannot
 * be taken does not stop the others. What another replica may hold is taken on trust: it is joined with its call when that can be
 * read, and with nothing when there is none in this project.
 * @throws {OutcomesRefusedError} when none names an invocation that is here. {@link OutcomeInvalidError}
 */
export async function appendOutcomes(deps: OutcomeDeps, state: ProjectState, inputs: readonly OutcomeInput[]): Promise<OutcomesReply> {
  const parsed = parseOutcomes(inputs);
  const ids = [...new Set(parsed.map((input) => input.invocation))];
  // One at a time, so that two deliveries of one outcome cannot both find that it is new.
  return state.outcomes.run(async () => {
    const existing = await deps.reader.existing(state, ids);
    for (const id of ids) if (deps.mayBeElsewhere(id)) existing.add(id);
    const known = new Set((await deps.reader.outcomesOf(state, [...existing])).map(outcomeKey));
    const problems: OutcomeProblem[] = [];
    const lines: string[] = [];
    let duplicates = 0;
    for (const [index, input] of parsed.entries()) {
      const outcome = toOutcome(deps, state.id, input);
      if (!existing.has(input.invocation)) problems.push(unknownInvocation(index, input.invocation));
      else if (known.has(outcomeKey(outcome))) duplicates += 1;
      else {
        known.add(outcomeKey(outcome));
        lines.push(outcomeLine(outcome));
      }
    }
    if (problems.length === parsed.length) throw refused(problems);
    if (lines.length > 0) await deps.write(state.id, lines);
    return { accepted: lines.length, duplicates, problems };
  });
}

type ParsedOutcome = z.output<typeof OutcomeInput>;

function parseOutcomes(inputs: readonly OutcomeInput[]): ParsedOutcome[] {
  if (inputs.length === 0 || inputs.length > OUTCOMES_PER_CALL_LIMIT) {
    throw new OutcomeInvalidError(`Send 1 to ${OUTCOMES_PER_CALL_LIMIT} outcomes at a time, not ${inputs.length}.`, {
      details: { limit: OUTCOMES_PER_CALL_LIMIT, found: inputs.length },
    });
  }
  return inputs.map((input, index) => {
    const result = OutcomeInput.safeParse(input);
    if (!result.success) throw invalid(index, result.error);
    if (JSON.stringify(result.data.value).length > OUTCOME_VALUE_LIMIT_CHARACTERS) {
      throw new OutcomeInvalidError(`The value of outcome ${index} is longer than ${OUTCOME_VALUE_LIMIT_CHARACTERS} characters.`, {
        details: { index, field: 'value', limit: OUTCOME_VALUE_LIMIT_CHARACTERS },
      });
    }
    return result.data;
  });
}

function invalid(index: number, error: z.ZodError): InvalidError {
  const issue = error.issues[0];
  const field = issue?.path.join('.') ?? '';
  return new OutcomeInvalidError(
    `Outcome ${index} is not as it should be: ${field === '' ? '' : `${field}: `}${issue?.message ?? 'unknown'}.`,
    {
      details: { index, field },
    },
  );
}

function toOutcome(deps: OutcomeDeps, project: string, input: ParsedOutcome): Outcome {
  const observedTimeMs = deps.clock.nowMs();
  return {
    schema: 1,
    id: deps.ids.next('outcome'),
    project,
    invocation: input.invocation,
    name: input.name,
    value: input.value,
    source: input.source,
    sourceRank: input.sourceRank,
    weight: input.weight,
    eventTimeMs: input.eventTime ?? observedTimeMs,
    observedTimeMs,
    idempotencyKey: input.idempotencyKey ?? derivedKey(input),
  };
}

/** Equal outcomes have equal keys. One without an event time is the same as the one sent before. */
function derivedKey({ invocation, name, source, value, eventTime }: ParsedOutcome): string {
  return `sha256:${sha256Hex(canonicalJson([invocation, name, source, value, eventTime ?? null] satisfies Json))}`;
}

function unknownInvocation(index: number, invocation: string): OutcomeProblem {
  const shown = invocation.slice(0, 64);
  return {
    index,
    invocation: shown,
    code: 'telemetry/invocation-not-found',
    message: `There is no invocation "${shown}" in this project.`,
  };
}

function refused(problems: readonly OutcomeProblem[]): OutcomesRefusedError {
  const [first] = problems;
  return new OutcomesRefusedError(
    problems.length === 1 ? (first?.message ?? '') : `None of the ${problems.length} outcomes names an invocation of this project.`,
    {
      details: { problems },
      help: 'Use the ids that the predictions came with: inv_ and 36 characters.',
    },
  );
}
