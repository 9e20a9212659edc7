import { createRandom, type Random } from '@slipway/statistics';

const ROUNDS_DEFAULT = 5;

/** Rounds of each fault: SLIPWAY_FAULT_ROUNDS, or 5; `bench/faults.ts` asks for 50. */
export const ROUNDS = Number(process.env['SLIPWAY_FAULT_ROUNDS'] ?? ROUNDS_DEFAULT);
/** Of a fault whose round takes half a minute: as many as are asked for, or 2. */
export const LONG_ROUNDS = Number(process.env['SLIPWAY_FAULT_ROUNDS'] ?? 2);

/** SLIPWAY_FAULT_SEED repeats a run; otherwise each run tries other moments and says which. */
export const SEED = process.env['SLIPWAY_FAULT_SEED'] ?? String(Math.floor(Math.random() * 1e9));

/** SLIPWAY_FAULT_ROUND runs one round alone, with the moment it had among the others. */
const ONLY = process.env['SLIPWAY_FAULT_ROUND'];

export interface Round {
  readonly number: number;
  readonly random: Random;
  /** 0..1: rounds share the whole length evenly, each at a random place of its own part. */
  readonly place: number;
}

/** The rounds of one fault, each with its own random numbers, and the words that repeat it. */
export function roundsOf(fault: string, rounds = ROUNDS): Round[] {
  process.stdout.write(`faults: ${fault}, ${rounds} rounds, SLIPWAY_FAULT_SEED=${SEED}\n`);
  const all = Array.from({ length: rounds }, (_, index): Round => {
    const random = createRandom(`${SEED} ${fault} ${index}`);
    return { number: index + 1, random, place: (index + random.next()) / rounds };
  });
  return ONLY === undefined ? all : all.filter(({ number }) => number === Number(ONLY));
}
