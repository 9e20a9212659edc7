import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type Row, workerUrl } from '@slipway/kernel';
import { fileURLToPath } from 'node:url';
import { ModelFormatError, ModelRefusedError, ModelTooLargeError } from '../errors.ts';
import { MODEL_LIMITS } from '../onnx/scan.ts';
import { reviveError } from '../worker-messages.ts';
import type { ImportedModel } from './import-model.ts';
import type { ImportReply, ImportRequest } from './import-worker.ts';
import type { ForeignOptions } from './options.ts';

export interface ImportLimits {
  /** The process is ended after this long. */
  readonly timeoutMs: number;
  /** The process is ended when it holds more than this, native memory included (looked at on Linux). */
  readonly memoryBytes: number;
  /** JavaScript heap of the process. */
  readonly heapMib: number;
  readonly sizeBytes: number;
}

/** Room for a file of the largest accepted size: its bytes, its messages and two sessions of it. */
export const IMPORT_LIMITS: ImportLimits = {
  timeoutMs: 120_000,
  memoryBytes: 4 * 1024 ** 3,
  heapMib: 2_048,
  sizeBytes: MODEL_LIMITS.sizeBytes,
};

const WATCH_EVERY_MS = 25;
const PAGE_BYTES = 4_096;

export interface ImportModelOptions {
  readonly options: ForeignOptions;
  /** Real rows to try the model with. */
  readonly rows?: readonly Row[];
  /** Columns of the reference data that a model may take, in their order: names for an input of several columns. */
  readonly columns?: readonly string[] | undefined;
  readonly limits?: Partial<ImportLimits>;
  readonly signal?: AbortSignal;
}

/**
 * Reads, checks, adapts and tries a model made elsewhere in a process of its own: without environment, without leave to
 * write files or to start anything, bounded in time and memory, and gone afterwards. What hangs, crashes or swells there is refused.
 * @throws {ModelFormatError | ModelRefusedError | ModelTooLargeError | SignatureError}
 */
export async function importModel(
  bytes: Uint8Array,
  { options, rows = [], columns, signal, ...given }: ImportModelOptions,
): Promise<ImportedModel> {
  const limits = { ...IMPORT_LIMITS, ...given.limits };
  if (bytes.length > limits.sizeBytes) {
    throw new ModelTooLargeError(`The model has ${bytes.length} bytes; at most ${limits.sizeBytes} are accepted.`, {
      details: { sizeBytes: bytes.length, limitBytes: limits.sizeBytes },
    });
  }
  signal?.throwIfAborted();
  const child = start(limits);
  const stop = () => void child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const unwatch = watchMemory(child, limits);
  try {
    const reply = await ask(child, { bytes, options, rows, columns }, limits, unwatch.exceeded);
    if ('failed' in reply) throw reviveError(reply.failed);
    return reply.imported;
  } catch (thrown) {
    signal?.throwIfAborted();
    throw thrown;
  } finally {
    signal?.removeEventListener('abort', stop);
    unwatch.stop();
    child.kill('SIGKILL');
  }
}

function start({ heapMib }: ImportLimits): ChildProcess {
  return fork(fileURLToPath(workerUrl('import-worker', import.meta.url)), [], {
    // Nothing of ours is in its environment: no keys, no addresses.
    env: {},
    execArgv: [
      `--max-old-space-size=${heapMib}`,
      // It may read (its own code and libraries) and load the engine; it may not write files or start processes.
      '--permission',
      '--allow-fs-read=*',
      '--allow-addons',
      '--disable-warning=SecurityWarning',
    ],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
}

function ask(child: ChildProcess, request: ImportRequest, limits: ImportLimits, exceeded: () => boolean): Promise<ImportReply> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new ModelRefusedError(`The model was not read and tried within ${limits.timeoutMs / 1000} s.`, {
          details: { timeoutMs: limits.timeoutMs },
        }),
      );
    }, limits.timeoutMs);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    child.once('message', (reply) => settle(() => resolve(reply as ImportReply)));
    child.once('error', (cause) =>
      settle(() => reject(new ModelFormatError('The model could not be read: its process did not start.', { cause }))),
    );
    child.once('exit', (code, killedBy) => settle(() => reject(endedEarly({ code, killedBy, exceeded: exceeded(), limits }))));
    child.send(request, (cause) => cause && settle(() => reject(new ModelFormatError('The model could not be read.', { cause }))));
  });
}

function endedEarly(end: { code: number | null; killedBy: string | null; exceeded: boolean; limits: ImportLimits }): Error {
  const { memoryBytes } = end.limits;
  // A full JavaScript heap ends a process by SIGABRT, too.
  if (end.exceeded) {
    return new ModelTooLargeError(`Reading and trying the model takes more than ${Math.round(memoryBytes / 1024 ** 2)} MiB of memory.`, {
      details: { limitBytes: memoryBytes },
    });
  }
  return new ModelRefusedError(`Reading and trying the model ended its process (${end.killedBy ?? `code ${end.code}`}).`, {
    help: 'The file is damaged, or made to harm; check it with onnx.checker.',
  });
}

/** Ends the process when it holds too much. */
function watchMemory(child: ChildProcess, { memoryBytes }: ImportLimits): { exceeded: () => boolean; stop: () => void } {
  let exceeded = false;
  const timer = setInterval(() => {
    if (child.pid === undefined || child.exitCode !== null) return;
    readFile(`/proc/${child.pid}/statm`, 'utf8').then(
      (text) => {
        if (Number(text.split(' ')[1]) * PAGE_BYTES <= memoryBytes) return;
        exceeded = true;
        child.kill('SIGKILL');
      },
      // Not on Linux, or gone already.
      () => {},
    );
  }, WATCH_EVERY_MS);
  timer.unref();
  return { exceeded: () => exceeded, stop: () => clearInterval(timer) };
}
