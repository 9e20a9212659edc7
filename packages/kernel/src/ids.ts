import type { Clock } from './time.ts';

/** Prefixes make an id readable and let a wrong kind of id be refused before any look-up. */
export const ID_PREFIXES = {
  project: 'prj',
  principal: 'prn',
  key: 'key',
  dataset: 'ds',
  datasetVersion: 'dv',
  contractVersion: 'cv',
  modelVersion: 'mv',
  promptVersion: 'pv',
  assistantVersion: 'av',
  agentVersion: 'gv',
  run: 'run',
  release: 'rel',
  revision: 'rev',
  rollout: 'rol',
  report: 'rep',
  predictions: 'prd',
  invocation: 'inv',
  outcome: 'out',
  event: 'evt',
  erasure: 'era',
  upload: 'upl',
  request: 'req',
  segment: 'seg',
  alert: 'alr',
  channel: 'chn',
  delivery: 'dlv',
  retraining: 'ret',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

/** Source of random bytes; a seeded one makes a simulation repeatable. */
export type RandomBytes = (target: Uint8Array) => void;

export const systemRandomBytes: RandomBytes = (target) => {
  globalThis.crypto.getRandomValues(target);
};

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function formatUuid(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < 16; index += 1) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += '-';
    text += HEX[bytes[index] as number];
  }
  return text;
}

function writeTimeMs(bytes: Uint8Array, timeMs: number): void {
  let rest = timeMs;
  for (let index = 5; index >= 0; index -= 1) {
    bytes[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** UUIDv7 (RFC 9562): 48 bits of time, then random; sorts by creation. */
export function uuidV7(timeMs: number, random: RandomBytes = systemRandomBytes): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  writeTimeMs(bytes, timeMs);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return formatUuid(bytes);
}

export interface Ids {
  next(kind: IdKind): string;
}

/** Ids of the form `prefix_uuidv7`. */
export function createIds(clock: Clock, random: RandomBytes = systemRandomBytes): Ids {
  return { next: (kind) => `${ID_PREFIXES[kind]}_${uuidV7(clock.nowMs(), random)}` };
}

const ID_BODY = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
const PATTERNS = new Map(Object.entries(ID_PREFIXES).map(([kind, prefix]) => [kind, new RegExp(`^${prefix}_${ID_BODY}$`)]));

export function isId(kind: IdKind, text: string): boolean {
  return PATTERNS.get(kind)?.test(text) ?? false;
}

/** Milliseconds at which an id was made, read back from its first 48 bits. */
export function idTimeMs(id: string): number {
  const body = id.slice(id.indexOf('_') + 1);
  return Number.parseInt(body.slice(0, 8) + body.slice(9, 13), 16);
}

/** Replica numbers fit the 12 bits that UUIDv7 leaves after its version. */
export const REPLICA_LIMIT = 4096;

/**
 * Invocation ids: a UUIDv7 whose 12 bits after the version are the replica's number, so that time + replica locate
 * the segment that holds the line without any index. The remaining 62 bits are a per-process random start and a
 * counter: unique without asking for randomness on the hot path.
 */
export function createInvocationIds(clock: Clock, replica: number, random: RandomBytes = systemRandomBytes): () => string {
  if (!Number.isInteger(replica) || replica < 0 || replica >= REPLICA_LIMIT) {
    throw new RangeError(`replica must be an integer in 0..${REPLICA_LIMIT - 1}, got ${replica}`);
  }
  const seed = new Uint8Array(8);
  random(seed);
  const replicaHex = replica.toString(16).padStart(3, '0');
  const variantHex = (((seed[0] as number) & 0x3f) | 0x80).toString(16) + (HEX[seed[1] as number] as string);
  const salt = HEX[seed[2] as number] as string;
  let counter = ((seed[3] as number) << 16) | ((seed[4] as number) << 8) | (seed[5] as number);
  let lastMs = -1;
  let timeHex = '';
  return () => {
    const now = clock.nowMs();
    if (now !== lastMs) {
      lastMs = now;
      const hex = now.toString(16).padStart(12, '0');
      timeHex = `${hex.slice(0, 8)}-${hex.slice(8)}`;
    }
    counter = (counter + 1) % 0x10000000000;
    return `inv_${timeHex}-7${replicaHex}-${variantHex}-${salt}${counter.toString(16).padStart(10, '0')}`;
  };
}

export interface InvocationLocation {
  readonly timeMs: number;
  readonly replica: number;
}

/** Where the line of an invocation lies; undefined when the text is no invocation id. */
export function locateInvocation(id: string): InvocationLocation | undefined {
  if (!isId('invocation', id)) return undefined;
  return { timeMs: idTimeMs(id), replica: Number.parseInt(id.slice(19, 22), 16) };
}
