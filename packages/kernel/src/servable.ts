import type { Contract } from './contract.ts';
import type { PlatformError } from './errors.ts';
import type { ExplainOptions, Explanation } from './explanation.ts';
import type { Principal } from './principal.ts';
import type { Capacity, Priority, ServingSettings } from './serving.ts';

/** The four things that can answer a call today. A version's kind picks the loader; nothing else may look at it. */
export type ServableKind = 'model' | 'prompt' | 'assistant' | 'agent';

/** An immutable version: `recipe` is what it was made from, `content` the hash of its bytes. */
export interface VersionRef {
  readonly id: string;
  readonly kind: ServableKind;
  readonly name: string;
  readonly recipe: string;
  readonly content: string;
}

/** What belongs to one caller, because batching merges callers. */
export interface CallContext {
  readonly invocation: string;
  readonly principal: Principal;
  /** Monotonic time after which the answer is worthless; undefined = no deadline. */
  readonly deadlineMs: number | undefined;
  /** Default interactive. */
  readonly priority?: Priority | undefined;
  readonly signal: AbortSignal | undefined;
  readonly traceparent: string | undefined;
  /** Other versions that the revision pins (an index, guardrails, features), by part name. */
  readonly parts: ReadonlyMap<string, VersionRef>;
}

export interface Call<In> {
  readonly input: In;
  readonly context: CallContext;
}

/** Money is counted in millionths of the currency unit, as integers. */
export interface Cost {
  readonly currency: string;
  readonly micros: number;
}

/** `pending` names the run whose end will be the answer: an agent waiting for an approval. */
export type Result<Out> =
  | { readonly status: 'ok'; readonly output: Out; readonly cost?: Cost }
  | { readonly status: 'error'; readonly error: PlatformError }
  | { readonly status: 'pending'; readonly run: string };

/** A piece of a streamed answer; the last part holds the same Result as `invoke` would have given. */
export type Part<Out> = { readonly type: 'delta'; readonly value: unknown } | { readonly type: 'result'; readonly result: Result<Out> };

/** Everything that can answer a production call. One result per call, in the calls' order. */
export interface Servable<In = unknown, Out = unknown> {
  readonly version: VersionRef;
  readonly input: Contract;
  readonly output: Contract;
  invoke(calls: readonly Call<In>[]): Promise<readonly Result<Out>[]>;
  stream?(call: Call<In>): AsyncIterable<Part<Out>>;
  /** Why the version answers rows as it does; absent when it cannot say. One explanation per call, in the calls' order. */
  explain?(calls: readonly Call<In>[], options: ExplainOptions): Promise<readonly Explanation[]>;
  /** How full it is; absent where calls wait for nothing and memory is not worth counting. */
  readonly capacity?: Capacity | undefined;
  /** Frees what the loader allocated; called once no revision uses the version. */
  dispose?(): Promise<void>;
}

/** Turns a stored version into something that answers; registered by the capability that owns the kind. */
export interface ServableLoader {
  readonly kind: ServableKind;
  /** Resolves once the version can answer at full speed: warmed up, where that makes a difference. */
  load(project: string, version: VersionRef, serving?: ServingSettings): Promise<Servable>;
}
