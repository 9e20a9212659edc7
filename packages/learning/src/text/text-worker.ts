import { workerData } from 'node:worker_threads';
import { type HeadWork, takeHeads } from './take-heads.ts';

/** A helper of the thread that prepares texts: it fits the heads that nobody has taken, and ends. */

// The thread that starts it passes exactly this.
takeHeads(workerData as HeadWork);
