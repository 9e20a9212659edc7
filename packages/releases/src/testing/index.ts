import {
  type Call,
  type Contract,
  Contract as ContractShape,
  InvalidError,
  type Part,
  type Result,
  type Servable,
  type ServableKind,
  type ServableLoader,
  type VersionRef,
} from '@slipway/kernel';

const contract = (fields: readonly { name: string; type: 'string' | 'float64' | 'json' }[], subject?: string): Contract =>
  ContractShape.parse({
    format: 'slipway.contract/1',
    fields: fields.map(({ name, type }) => ({ name, type, role: type === 'float64' ? 'numeric' : 'text', nullable: false })),
    ignored: subject === undefined ? [] : [subject],
    ...(subject === undefined ? {} : { subject }),
  });

const ANSWER = contract([{ name: 'answer', type: 'json' }]);

/** A model that doubles a number; negative numbers fail, each call on its own. */
export function fakeModel(version: VersionRef): Servable {
  return {
    version,
    input: contract([{ name: 'x', type: 'float64' }], 'customer'),
    output: ANSWER,
    invoke: async (calls) =>
      calls.map(({ input }): Result<unknown> => {
        const { x } = input as { x: number };
        if (x < 0) return { status: 'error', error: new InvalidError('x must not be negative') };
        return { status: 'ok', output: { prediction: 2 * x, probabilities: { yes: 0.25, no: 0.75 } } };
      }),
  };
}

/** A prompt that streams its words and costs a millionth each. */
export function fakePrompt(version: VersionRef): Servable {
  const finish = (text: string): Result<unknown> => ({
    status: 'ok',
    output: { answer: text.toUpperCase() },
    cost: { currency: 'USD', micros: text.split(' ').length },
  });
  const textOf = (call: Call<unknown>) => (call.input as { question: string }).question;
  return {
    version,
    input: contract([{ name: 'question', type: 'string' }]),
    output: ANSWER,
    invoke: async (calls) => calls.map((call) => finish(textOf(call))),
    async *stream(call): AsyncIterable<Part<unknown>> {
      for (const word of textOf(call).split(' ')) yield { type: 'delta', value: word.toUpperCase() };
      yield { type: 'result', result: finish(textOf(call)) };
    },
  };
}

/** An assistant that cites the index that its revision pins. */
export function fakeAssistant(version: VersionRef): Servable {
  return {
    version,
    input: contract([{ name: 'messages', type: 'json' }]),
    output: ANSWER,
    invoke: async (calls) =>
      calls.map(({ context }): Result<unknown> => ({
        status: 'ok',
        output: { answer: 'see the handbook', citations: [context.parts.get('index')?.id ?? null] },
      })),
  };
}

/** An agent whose answer waits for an approval: the run's end will be the answer. */
export function fakeAgent(version: VersionRef, startRun: (call: Call<unknown>) => Promise<string>): Servable {
  return {
    version,
    input: contract([{ name: 'task', type: 'string' }]),
    output: ANSWER,
    invoke: (calls) => Promise.all(calls.map(async (call): Promise<Result<unknown>> => ({ status: 'pending', run: await startRun(call) }))),
  };
}

/** A loader that counts what it loads. */
export function fakeLoader(kind: ServableKind, make: (version: VersionRef) => Servable): ServableLoader & { loaded: string[] } {
  const loaded: string[] = [];
  return {
    kind,
    loaded,
    load: async (_project, version) => {
      loaded.push(version.id);
      return make(version);
    },
  };
}
