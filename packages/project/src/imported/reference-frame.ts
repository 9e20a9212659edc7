import type { DatasetMeta } from '@slipway/data/contract';
import { type Column, type Contract, type Field, type Frame, columnKind, nearestName } from '@slipway/kernel';
import type { ModelMetadata } from '@slipway/models';
import { LaunchInvalidError } from '../errors.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import type { ModelLaunchDefinition } from './contract.ts';

/** Columns of the reference data that a model may take, in their order: not the target, the subject, or what was left out. */
export function candidateColumns(meta: DatasetMeta, definition: ModelLaunchDefinition): string[] {
  const out = new Set([...definition.exclude, definition.target ?? '', definition.subject ?? '']);
  return meta.columns.filter((column) => !out.has(column.name)).map((column) => column.name);
}

/** The contract with what the reference data say about its columns: ranges and values to warn about, and what else callers may send. */
export function withReference(contract: Contract, reference: Contract, definition: ModelLaunchDefinition): Contract {
  const known = new Map(reference.fields.map((field) => [field.name, field]));
  const fields = contract.fields.map((field): Field => {
    const found = known.get(field.name);
    if (!found) {
      const near = nearestName(field.name, [...known.keys()]);
      throw new LaunchInvalidError(
        `The reference data lack the column "${field.name}", which the model takes.${near ? ` Did they mean "${near}"?` : ''}`,
        {
          details: { field: 'reference', column: field.name },
          help: `Rename it in the file, or name the model's columns with --columns.`,
        },
      );
    }
    return columnKind(found) === columnKind(field) ? { ...field, expect: found.expect } : field;
  });
  const taken = new Set(fields.map((field) => field.name));
  return {
    ...contract,
    fields,
    ignored: reference.fields.map((field) => field.name).filter((name) => !taken.has(name)),
    ...(definition.subject === undefined ? {} : { subject: definition.subject }),
  };
}

/** The reference rows as the model takes them: what the data call a category may be a number to the graph, and the reverse. */
export async function referenceFrame(deps: LaunchDeps, project: string, meta: DatasetMeta, { contract }: ModelMetadata): Promise<Frame> {
  const frame = await deps.data.loadFrame(
    project,
    meta,
    contract.fields.map((field) => field.name),
  );
  const columns = new Map<string, Column>();
  for (const field of contract.fields) {
    const column = frame.columns.get(field.name) as Column;
    columns.set(field.name, columnKind(field) === column.kind ? column : column.kind === 'text' ? toNumbers(column) : toTexts(column));
  }
  return { rowCount: frame.rowCount, columns };
}

function toNumbers({ codes, levels }: Column & { kind: 'text' }): Column {
  const numbers = levels.map((level) => (level.trim() === '' ? Number.NaN : Number(level)));
  return { kind: 'number', values: Float64Array.from(codes, (code) => (code < 0 ? Number.NaN : (numbers[code] as number))) };
}

function toTexts({ values }: Column & { kind: 'number' }): Column {
  const levels: string[] = [];
  const codeOf = new Map<number, number>();
  const codes = Int32Array.from(values, (value) => {
    if (Number.isNaN(value)) return -1;
    let code = codeOf.get(value);
    if (code === undefined) {
      code = levels.push(String(value)) - 1;
      codeOf.set(value, code);
    }
    return code;
  });
  return { kind: 'text', codes, levels };
}
