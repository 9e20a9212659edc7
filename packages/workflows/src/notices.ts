import { z } from 'zod';

/** The channel on which the processes tell each other about runs; hints only, the tables are the truth. */
export const RUN_CHANNEL = 'slipway_run';

export const Notice = z.discriminatedUnion('kind', [
  /** A run entered a queue, to be claimed now or after a while. */
  z.object({ kind: z.literal('queued'), run: z.string(), queue: z.string(), delayMs: z.number().optional() }),
  /** A run was cancelled: whoever executes it stops. */
  z.object({ kind: z.literal('cancelled'), run: z.string() }),
  /** A process makes sure that it still hears: `run` is its token. */
  z.object({ kind: z.literal('ping'), run: z.string() }),
  /** A run has news for its followers. */
  z.object({ kind: z.literal('changed'), run: z.string() }),
]);
export type Notice = z.infer<typeof Notice>;
/** What is said about a run. */
export type RunNotice = Exclude<Notice, { kind: 'ping' }>;

/** @returns undefined for text that is no notice of this version. */
export function parseNotice(payload: string): Notice | undefined {
  try {
    return Notice.safeParse(JSON.parse(payload)).data;
  } catch {
    return undefined;
  }
}
