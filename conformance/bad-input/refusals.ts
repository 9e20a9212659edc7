import assert from 'node:assert/strict';
import { ERROR_KINDS, type ErrorKind } from '@slipway/kernel';
import { z } from 'zod';

/** The error body as contracts.md has it; `message` and `help` are what a person reads. */
const Refusal = z.strictObject({
  error: z.strictObject({
    code: z.string().regex(/^[a-z]+\/[a-z-]+$/),
    kind: z.enum(Object.keys(ERROR_KINDS) as [ErrorKind, ...ErrorKind[]]),
    message: z.string().min(10).max(1_000),
    remedy: z.string(),
    details: z.record(z.string(), z.unknown()),
    requestId: z.string().nullable(),
    help: z.string().min(5).nullable(),
  }),
});
export type Refusal = z.infer<typeof Refusal>['error'];

/** What a refusal must be: its kind, and words that its text must hold. */
export interface Expected {
  readonly kind: ErrorKind;
  /** Texts that the message, the help or the listed problems must hold: what is wrong, and what to do. */
  readonly says: readonly RegExp[];
}

/** What a stack trace or the inside of this program looks like. */
const INSIDE = [
  /^\s+at .+[:(]/m,
  /\bnode:internal\b/,
  /\bnode_modules\b/,
  /file:\/\//,
  /\.(?:ts|js|mjs):\d+/,
  /\/(?:apps|packages)\/[a-z]+\//,
  /Slipway failed:|Something went wrong inside/,
  /Broken invariant|\bundefined\b|\[object Object\]|ZodError/,
];

/** @throws when a text shows the inside of the program instead of what the caller can do. */
export function assertNoInsides(text: string): void {
  for (const pattern of INSIDE) assert.doesNotMatch(text, pattern);
}

/** @throws unless the body refuses for the expected reason, in words that name what is wrong and how to mend it. */
export function assertRefusal(body: unknown, { kind, says }: Expected): Refusal {
  const { error } = Refusal.parse(body);
  const told = JSON.stringify({ message: error.message, help: error.help, problems: error.details['problems'] });
  assert.equal(error.kind, kind, told);
  assertNoInsides(`${error.message}\n${error.help ?? ''}\n${JSON.stringify(error.details)}`);
  assert.ok(error.help !== null || Array.isArray(error.details['problems']), `nothing says how to mend it: ${told}`);
  for (const pattern of says) assert.match(told.replaceAll('\\"', '"'), pattern);
  return error;
}

export interface CommandEnded {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command with `--json` that was refused: exit code of its kind, one JSON object on stdout, the same words on stderr. */
export function assertCommandRefused(ended: CommandEnded, expected: Expected): Refusal {
  assert.equal(ended.code, ERROR_KINDS[expected.kind].exitCode, `${ended.stdout}\n${ended.stderr}`);
  assert.equal(ended.stdout.trimEnd().split('\n').length, 1, `not one line on stdout: ${ended.stdout}`);
  const refusal = assertRefusal(JSON.parse(ended.stdout), expected);
  assertNoInsides(ended.stderr);
  assert.ok(ended.stderr.includes(`error[${refusal.code}]: ${refusal.message}`), ended.stderr);
  if (refusal.help !== null) assert.ok(ended.stderr.includes(`try: ${refusal.help}`), ended.stderr);
  return refusal;
}

/** An HTTP reply that refuses: status of its kind (or a named other one) and the request's id. */
export async function assertReplyRefused(
  reply: Response,
  expected: Expected,
  status: number = ERROR_KINDS[expected.kind].httpStatus,
): Promise<Refusal> {
  const text = await reply.text();
  assert.equal(reply.status, status, text);
  assert.match(reply.headers.get('content-type') ?? '', /^application\/json/);
  const refusal = assertRefusal(JSON.parse(text), expected);
  assert.equal(refusal.requestId, reply.headers.get('x-request-id'), 'the request id is in the header and in the body');
  return refusal;
}
