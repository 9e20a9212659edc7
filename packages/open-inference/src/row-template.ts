import type { Row } from '@slipway/kernel';

/**
 * A row that has every name as its own, of which rows are copies. Read from text, because that makes any name a column (`__proto__` too)
 * and the object a plain one: one that grows by computed names may become a dictionary, which is slow to copy.
 */
export function rowTemplate(names: readonly string[]): Row {
  return JSON.parse(`{${names.map((name) => `${JSON.stringify(name)}:null`).join(',')}}`) as Row;
}
