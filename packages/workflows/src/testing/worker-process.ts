import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A spawned worker (see worker.ts), seen from the test. */
export interface WorkerProcess {
  /** Resolves with the first message that has this field; fails when the worker ends without one. */
  said<T>(field: string): Promise<T>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

const alive = new Set<WorkerProcess>();

/** Ends the workers that a failed test left running. */
export async function killWorkers(): Promise<void> {
  await Promise.all([...alive].map((worker) => worker.kill()));
}

export function spawnWorker(order: unknown): WorkerProcess {
  const script = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const messages: Record<string, unknown>[] = [];
  let errors = '';
  let wake: () => void = () => {};
  let gone = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    messages.push(JSON.parse(line) as Record<string, unknown>);
    wake();
  });
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exited = once(child, 'close').then(() => {
    gone = true;
    wake();
  });
  const worker: WorkerProcess = {
    async said<T>(field: string): Promise<T> {
      for (;;) {
        const found = messages.find((message) => field in message);
        if (found) return found as T;
        if (gone) throw new Error(`the worker ended without saying "${field}": ${errors.slice(-2_000)}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
  alive.add(worker);
  void exited.then(() => alive.delete(worker));
  return worker;
}
