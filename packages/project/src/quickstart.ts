import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The Wisconsin diagnostic breast cancer data as bundled with scikit-learn (569 rows, 30 measurements; Wolberg,
 * Mangasarian, Street and Street, UCI Machine Learning Repository, CC BY 4.0; see quickstart/ATTRIBUTION.md).
 */
export function quickstartFile(): string {
  return fileURLToPath(new URL('../quickstart/breast-cancer.csv', import.meta.url));
}

/** The first row of the quickstart data as a prediction call would send it. */
export function quickstartExample(): Record<string, unknown> {
  const [header = '', first = ''] = readFileSync(quickstartFile(), 'utf8').split('\n');
  const values = first.split(',');
  return Object.fromEntries(header.split(',').flatMap((name, index) => (name === 'diagnosis' ? [] : [[name, Number(values[index])]])));
}
