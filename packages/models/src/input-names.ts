/** Names that a graph of ours gives its outputs and what lies between; inputs share one namespace with them. */
const TAKEN: ReadonlySet<string> = new Set(['features', 'probabilities', 'prediction', 'encoded']);
const PREFIX = 'slipway:column:';

/** The graph's name for the input of a column: its own, unless something else in the graph is called so. */
export function inputNameOf(column: string): string {
  return TAKEN.has(column) || column.startsWith(PREFIX) ? `${PREFIX}${column}` : column;
}

/** The column that an input of a graph is for. */
export function columnOfInput(input: string): string {
  return input.startsWith(PREFIX) ? input.slice(PREFIX.length) : input;
}
