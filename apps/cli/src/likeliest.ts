import { short } from './output.ts';

/** Classes whose probabilities are shown; --json has them all. */
const CLASSES_SHOWN = 5;

/** Probabilities of all classes in their order, or, of many, the likeliest first. */
export function likeliest(probabilities: Readonly<Record<string, number>>): string {
  const all = Object.entries(probabilities);
  const shown = all.length <= CLASSES_SHOWN ? all : all.toSorted(([, left], [, right]) => right - left).slice(0, CLASSES_SHOWN);
  const rest = all.length - shown.length;
  return [...shown.map(([label, probability]) => `${label} ${short(probability)}`), ...(rest > 0 ? [`and ${rest} more`] : [])].join('  ');
}
