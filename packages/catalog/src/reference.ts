import { ID_PREFIXES, Name, isId, type IdKind } from '@slipway/kernel';
import { z } from 'zod';
import { InvalidReferenceError } from './errors.ts';
import type { CatalogKind } from './catalog.ts';

/** Which ids the versions of each kind have. */
export const ID_KINDS = {
  dataset: 'datasetVersion',
  model: 'modelVersion',
  prompt: 'promptVersion',
  assistant: 'assistantVersion',
  agent: 'agentVersion',
  report: 'report',
  predictions: 'predictions',
  contract: 'contractVersion',
} as const satisfies Record<CatalogKind, IdKind>;

/** The alias every name has without being given it: its highest living number. */
export const LATEST = 'latest';

/** What may be an alias: a name that begins with a letter, so that it is never taken for a number. */
export const Alias = z
  .string()
  .regex(/^[a-z](?:[a-z0-9._-]{0,62}[a-z0-9])?$/, 'use 1 to 64 of a-z, 0-9, dot, underscore, dash; begin with a letter')
  .refine((alias) => alias !== LATEST, `"${LATEST}" always means the highest number and cannot be set`);

export type Reference =
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'latest'; readonly name: string }
  | { readonly by: 'alias'; readonly name: string; readonly alias: string }
  | { readonly by: 'number'; readonly name: string; readonly number: number };

/** True of a text that has the form of any id: a name like that could be taken for the thing itself. */
export function looksLikeId(text: string): boolean {
  return (Object.keys(ID_PREFIXES) as IdKind[]).some((kind) => isId(kind, text));
}

const NUMBER_MAX = 2_147_483_647;
const REFERENCE = /^([^@:]+)(?:@([^@:]+)|:([1-9]\d{0,9}))?$/;

/** Reads an id, `name`, `name@alias` or `name:number`. @throws {InvalidReferenceError} */
export function parseReference(reference: string): Reference {
  if (looksLikeId(reference)) return { by: 'id', id: reference };
  const [, name = '', alias, digits] = REFERENCE.exec(reference) ?? [];
  if (!Name.safeParse(name).success) throw unreadable(reference);
  if (digits !== undefined) {
    if (Number(digits) > NUMBER_MAX) throw unreadable(reference);
    return { by: 'number', name, number: Number(digits) };
  }
  if (alias === undefined || alias === LATEST) return { by: 'latest', name };
  if (!Alias.safeParse(alias).success) throw unreadable(reference);
  return { by: 'alias', name, alias };
}

function unreadable(reference: string): InvalidReferenceError {
  return new InvalidReferenceError('This is not a reference to a version.', {
    details: { reference: reference.slice(0, 200) },
    help: 'Give an id, NAME, NAME@ALIAS or NAME:NUMBER.',
  });
}
