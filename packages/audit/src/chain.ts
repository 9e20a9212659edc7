import { createHash } from 'node:crypto';
import { canonicalJson, toRfc3339 } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { leafHash } from './merkle.ts';

/** The chain's hash before its first event. */
export const GENESIS_HASH = '0'.repeat(64);

/** What an event's leaf hashes: everything but the payload itself and the chain. */
export interface LeafFields {
  readonly project: string;
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly principal: string;
  readonly subject: { readonly kind: string; readonly id: string };
  readonly atMs: number;
  readonly payloadHash: string;
}

/** RFC 6962 leaf hash over the event's canonical JSON, in which the time is RFC 3339 as in the API. */
export function eventLeafHash(event: LeafFields): Buffer {
  const { project, seq, id, type, principal, subject, atMs, payloadHash } = event;
  return leafHash(canonicalJson({ project, seq, id, type, principal, subject, at: toRfc3339(atMs), payloadHash }));
}

/** SHA-256(previous || leaf), lower-case hex. */
export function chainHash(previousHash: string, leaf: Uint8Array): string {
  return createHash('sha256').update(Buffer.from(previousHash, 'hex')).update(leaf).digest('hex');
}

export interface PayloadFields {
  /** Random, so that a payload of few possible values cannot be guessed from its hash once it is erased. Hex. */
  readonly salt: string;
  /** Canonical JSON, hashed as it is stored so that no byte of it can change unseen. */
  readonly dataText: string;
  readonly erasableSubject: string | null;
}

/** SHA-256 of the canonical JSON of `{data, erasableSubject, salt}`, lower-case hex. */
export function hashPayload({ salt, dataText, erasableSubject }: PayloadFields): string {
  return sha256Hex(`{"data":${dataText},"erasableSubject":${canonicalJson(erasableSubject)},"salt":${canonicalJson(salt)}}`);
}

/** True of text that is the canonical JSON of some value; only then is the payload's hash unambiguous. */
export function isCanonicalJson(text: string): boolean {
  try {
    return canonicalJson(JSON.parse(text)) === text;
  } catch {
    return false;
  }
}
