import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export interface ReplicaPlace {
  readonly home: string;
  readonly databaseUrl: string;
  readonly objectsUrl: string | undefined;
  readonly secretKey: string | undefined;
  readonly adminKey: string;
}

/** What a parent may ask of a replica. */
export type ReplicaCommand =
  | { readonly do: 'start'; readonly place: ReplicaPlace }
  | { readonly do: 'publish'; readonly seed: number }
  | { readonly do: 'run' | 'roll' | 'close' };

/** A replica in a process of its own. */
export class ReplicaChild {
  readonly #child: ChildProcess;
  readonly #key: string;
  #url = '';

  private constructor(child: ChildProcess, key: string) {
    this.#child = child;
    this.#key = key;
  }

  /** @throws what the start was refused with, as text. */
  static async start(place: ReplicaPlace): Promise<ReplicaChild> {
    const child = fork(new URL('./replica-process.ts', import.meta.url), { execArgv: [] });
    const replica = new ReplicaChild(child, place.adminKey);
    try {
      replica.#url = String(await replica.ask({ do: 'start', place }));
    } catch (error) {
      await replica.kill();
      throw error;
    }
    return replica;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async ask(command: ReplicaCommand): Promise<unknown> {
    this.#child.send(command);
    const [reply] = (await once(this.#child, 'message')) as [{ readonly value?: unknown; readonly error?: string }];
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply.value;
  }

  /** POSTs a body, or GETs without one. */
  async call(path: string, body?: object): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const reply = await fetch(`${this.#url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json', connection: 'close' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  /** Stops as a server does, then ends the process. */
  async close(): Promise<void> {
    await this.ask({ do: 'close' });
    await this.kill();
  }
}
