import type { WorkflowDefinition } from '@slipway/kernel';
import { DefinitionError, UnknownWorkflowError } from './errors.ts';

const NAME = /^[a-z][a-z0-9.-]{0,99}$/;

/** The workflows that this program can run, by name and version. */
export class Definitions {
  readonly #byKey = new Map<string, WorkflowDefinition>();
  readonly #latest = new Map<string, WorkflowDefinition>();

  /** @throws {DefinitionError} for a name or version that cannot be one, or a second definition of the same. */
  add(definition: WorkflowDefinition): void {
    const { name, version } = definition;
    if (!NAME.test(name) || !Number.isInteger(version) || version < 1) {
      throw new DefinitionError(`"${name}" version ${version} cannot be a workflow.`, {
        help: 'Names are lower-case words; versions are 1, 2, 3 …',
      });
    }
    const key = `${name}@${version}`;
    if (this.#byKey.has(key)) throw new DefinitionError(`Workflow ${key} is registered twice.`);
    this.#byKey.set(key, definition);
    const latest = this.#latest.get(name);
    if (!latest || latest.version < version) this.#latest.set(name, definition);
  }

  find(name: string, version: number): WorkflowDefinition | undefined {
    return this.#byKey.get(`${name}@${version}`);
  }

  latest(name: string): WorkflowDefinition | undefined {
    return this.#latest.get(name);
  }

  /** What a new run is made from. @throws {UnknownWorkflowError} */
  current(name: string): WorkflowDefinition {
    const definition = this.#latest.get(name);
    if (definition) return definition;
    throw new UnknownWorkflowError(`There is no workflow "${name.slice(0, 100)}".`, { details: { known: this.names() } });
  }

  names(): string[] {
    return [...this.#latest.keys()].toSorted();
  }

  /** `name@version` of each. */
  keys(): string[] {
    return [...this.#byKey.keys()].toSorted();
  }

  /** The queues that the definitions name, and the default one. */
  queues(): string[] {
    return [...new Set([...this.#byKey.values()].map(queueOf))];
  }
}

export const DEFAULT_QUEUE = 'default';

export function queueOf(definition: WorkflowDefinition): string {
  return definition.queue ?? DEFAULT_QUEUE;
}
