import { fields, literal, nonEmpty, raw, renderServed, renderSource } from '../render-config.ts';
import type { ModelLaunchDefinition } from './contract.ts';

/** TypeScript that, applied, makes exactly what the launch of a finished model made. */
export function renderModelConfig(
  definition: ModelLaunchDefinition,
  files: { readonly modelPath: string; readonly referencePath: string | undefined },
): string {
  const { read, dataset, name } = definition;
  const { referencePath } = files;
  const reference = referencePath === undefined ? undefined : renderSource(referencePath, read);
  const uses = new Set([
    'defineProject',
    'file',
    'model',
    'release',
    ...(reference ? [reference.reader] : []),
    ...(reference && dataset ? ['dataset'] : []),
    ...(definition.monitor ? ['monitor'] : []),
  ]);
  const finished = fields({
    onnx: raw(`file(${literal(files.modelPath)})`),
    reference: reference && raw(dataset === undefined ? reference.code : `dataset(${literal(dataset)}, { source: ${reference.code} })`),
    target: definition.target,
    task: definition.task,
    columns: definition.columns,
    classes: definition.classes,
    output: definition.output,
    scores: definition.scores,
    exclude: nonEmpty(definition.exclude),
    as: Object.keys(definition.as).length > 0 ? definition.as : undefined,
    subject: definition.subject,
  });
  return `import { ${[...uses].toSorted().join(', ')} } from 'slipway';

const finished = model(${literal(name)}, ${finished});

const live = release(${literal(definition.release ?? name)}, ${renderServed('finished', definition)});

export default defineProject('default', [finished, live]);
`;
}
