import type { Field } from '@slipway/kernel';
import type { Parameters, Tensor } from './datatypes.ts';
import { InferRequestError } from './errors.ts';
import type { OutputPlan, Signature } from './signature.ts';

export interface RequestedOutput {
  readonly name: string;
  readonly parameters?: Parameters | undefined;
}

/** One row's answer. */
export interface RowAnswer {
  readonly invocation: string;
  readonly output: unknown;
}

/** The output tensors: those asked for, in that order, or all. @throws {InferRequestError} for one that the model has not. */
export function outputsOf(
  signature: Signature,
  answers: readonly RowAnswer[],
  requested: readonly RequestedOutput[] | undefined,
): Tensor[] {
  const wanted = requested === undefined || requested.length === 0 ? signature.outputs.map(({ name }) => ({ name })) : requested;
  return wanted.map((request: RequestedOutput) => {
    const plan = signature.outputs.find(({ name }) => name === request.name);
    if (!plan) throw unknownOutput(signature, request.name);
    const topCount = request.parameters?.['classification'];
    return topCount === undefined ? tensorOf(plan, answers) : topClasses(plan, answers, topCount);
  });
}

/** Refuses outputs that do not exist before anything is answered. */
export function checkRequested(signature: Signature, requested: readonly RequestedOutput[] | undefined): void {
  for (const { name, parameters } of requested ?? []) {
    const plan = signature.outputs.find((output) => output.name === name);
    if (!plan) throw unknownOutput(signature, name);
    if (parameters?.['classification'] !== undefined) classCount(plan, parameters['classification']);
  }
}

function unknownOutput({ outputs }: Signature, name: string): InferRequestError {
  const names = outputs.map((output) => output.name);
  return new InferRequestError(`This model has no output "${name}"; it has ${names.join(', ')}.`, {
    details: { output: name, outputs: names },
  });
}

function tensorOf(plan: OutputPlan, answers: readonly RowAnswer[]): Tensor {
  const { name, datatype, source, labels, parameters } = plan;
  const shape = [answers.length, ...plan.shape.slice(1)];
  if (source.kind === 'invocation') return { name, datatype, shape, values: answers.map(({ invocation }) => invocation) };
  if (source.kind === 'classes') return { name, datatype, shape, parameters, values: probabilitiesOf(source.field, labels ?? [], answers) };
  return { name, datatype, shape, values: fieldValues(source.field, answers) };
}

function memberOf(output: unknown, name: string): unknown {
  return output !== null && typeof output === 'object' && Object.hasOwn(output, name)
    ? (output as Record<string, unknown>)[name]
    : undefined;
}

function probabilitiesOf(field: string, labels: readonly string[], answers: readonly RowAnswer[]): Float64Array {
  const width = labels.length;
  const values = new Float64Array(answers.length * width);
  answers.forEach(({ output }, row) => {
    const byClass = memberOf(output, field);
    labels.forEach((label, index) => {
      const value = memberOf(byClass, label);
      values[row * width + index] = typeof value === 'number' ? value : Number.NaN;
    });
  });
  return values;
}

function fieldValues(field: Field, answers: readonly RowAnswer[]): ArrayLike<unknown> {
  const of = ({ output }: RowAnswer) => memberOf(output, field.name);
  switch (field.type) {
    case 'float64':
      return Float64Array.from(answers, (answer) => Number(of(answer) ?? Number.NaN));
    case 'int64':
    case 'timestamp':
      return answers.map((answer) => of(answer) ?? 0);
    case 'boolean':
      return answers.map((answer) => of(answer) === true);
    case 'string':
      return answers.map((answer) => String(of(answer) ?? ''));
    case 'json':
      return answers.map((answer) => JSON.stringify(of(answer) ?? null));
  }
}

function classCount({ name, labels }: OutputPlan, asked: unknown): number {
  const count = Number(asked);
  if (labels && Number.isInteger(count) && count >= 1) return Math.min(count, labels.length);
  const why = labels ? 'a whole number of classes from 1' : 'left out: this output has no classes';
  throw new InferRequestError(`The parameter "classification" of the output "${name}" must be ${why}.`, { details: { output: name } });
}

/** Triton's classification extension: the likeliest classes of each row as "probability:index:label". */
function topClasses(plan: OutputPlan, answers: readonly RowAnswer[], asked: unknown): Tensor {
  const count = classCount(plan, asked);
  const labels = plan.labels ?? [];
  const numbers = probabilitiesOf(plan.name, labels, answers);
  const values = answers.flatMap((_, row) =>
    labels
      .map((label, index) => ({ label, index, probability: numbers[row * labels.length + index] as number }))
      .toSorted((left, right) => right.probability - left.probability || left.index - right.index)
      .slice(0, count)
      .map(({ label, index, probability }) => `${probability.toFixed(6)}:${index}:${label}`),
  );
  return { name: plan.name, datatype: 'BYTES', shape: [answers.length, count], values };
}
