import { idTimeMs } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';

/**
 * The id of a run that a step of another run starts: the same each time the step is repeated after a crash, so the
 * child is started once. @param key tells the children of one parent apart, for example the step's name.
 */
export function childRunId(parent: string, key: string): string {
  const time = idTimeMs(parent).toString(16).padStart(12, '0');
  const hash = sha256Hex(JSON.stringify([parent, key]));
  const variant = ((Number.parseInt(hash.slice(3, 4), 16) & 0x3) | 0x8).toString(16);
  return `run_${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`;
}
