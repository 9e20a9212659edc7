import type { Arm } from './contract.ts';

/**
 * Picks the arm that answers a unit: the unit's hash, salted with the release, falls into one arm's share of 0..1, so
 * the same unit meets the same arm as long as the weights stay (RL4).
 * @param draw a number in 0..1 used when the call names no unit.
 */
export function chooseArm(arms: readonly Arm[], salt: string, unit: string | undefined, draw: () => number): Arm {
  const only = arms[0];
  if (only === undefined) throw new Error('Broken invariant: a live release has at least one arm');
  if (arms.length === 1) return only;
  const point = unit === undefined ? draw() : unitPoint(salt, unit);
  let upper = 0;
  for (const arm of arms) {
    upper += arm.weight;
    if (point < upper) return arm;
  }
  return arms.findLast((arm) => arm.weight > 0) ?? only;
}

/** A unit's fixed place in 0..1: FNV-1a over UTF-16 units with murmur3's finaliser to spread neighbouring names. */
export function unitPoint(salt: string, unit: string): number {
  let hash = 0x811c9dc5;
  for (const text of [salt, '\u0000', unit]) {
    for (let index = 0; index < text.length; index += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000;
}

/** The whole traffic on one revision. */
export function allTrafficOn(revision: number): Arm[] {
  return [{ name: 'live', revision, weight: 1 }];
}

/** The revision most traffic goes to; ties go to the newer one. */
export function liveRevision(arms: readonly Arm[]): number | undefined {
  let best: Arm | undefined;
  for (const arm of arms) {
    if (!best || arm.weight > best.weight || (arm.weight === best.weight && arm.revision > best.revision)) best = arm;
  }
  return best?.revision;
}
