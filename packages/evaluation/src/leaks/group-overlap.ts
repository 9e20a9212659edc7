import { type Column, type Frame, cell } from '@slipway/kernel';
import { rocAuc } from '@slipway/statistics';
import { LEAK_EVIDENCE_ROW_LIMIT, type Leak } from './contract.ts';
import { type EvidenceSource, evidenceRow } from './evidence-rows.ts';

/** A column that names groups has at least so many, of at least so many rows on average, most rows with company. */
const GROUPS_MIN = 20;
const GROUP_ROWS_MIN = 1.8;
const GROUP_ROWS_MAX = 200;
const IN_COMPANY_RATIO_MIN = 0.8;
/** Share of the test rows whose group was trained on. */
const SHARED_RATIO_MIN = 0.2;
/** How well the other rows of a group tell a row's target: ROC AUC, or R2 of an amount. */
const TELLING_AUC_MIN = 0.65;
const TELLING_R2_MIN = 0.2;
/** Groups of one row each borrow so much from the whole. */
const PRIOR_ROWS = 1;

export interface GroupRequest {
  readonly train: EvidenceSource;
  readonly test: EvidenceSource;
  /** Columns that may name groups: identifiers, and inputs that look like keys. */
  readonly candidates: readonly string[];
  readonly target: string;
  /** Class codes or numbers of each side. */
  readonly trainTarget: ArrayLike<number>;
  readonly testTarget: ArrayLike<number>;
  readonly regression: boolean;
}

/** Persons, patients, machines: groups with rows on both sides of the split whose members share their target. */
export function findGroupOverlap(request: GroupRequest): Leak | undefined {
  const found = request.candidates
    .map((name) => overlapOf(name, request))
    .filter((overlap) => overlap !== undefined)
    .toSorted((a, b) => b.shared - a.shared)[0];
  if (!found) return undefined;
  const { name, shared, telling, groups } = found;
  const measure = request.regression ? 'R2' : 'ROC AUC';
  const percent = ((100 * shared) / request.test.frame.rowCount).toFixed(1);
  return {
    column: '@groups',
    kind: 'group-overlap',
    reason: `"${name}" names ${groups} groups, and ${shared} of ${request.test.frame.rowCount} test rows (${percent} %) belong to a group that was trained on; its other rows tell their target (${measure} ${telling.toFixed(3)}).`,
    evidence: { groups, rows: shared, score: Number(telling.toFixed(6)) },
    action: 'needs-acceptance',
    columns: [name],
    equation: null,
    help: `Keep each group on one side with --group ${/\s/.test(name) ? JSON.stringify(name) : name}.`,
    rows: evidenceOf(name, request),
  };
}

interface Overlap {
  readonly name: string;
  readonly shared: number;
  readonly telling: number;
  readonly groups: number;
}

function overlapOf(name: string, request: GroupRequest): Overlap | undefined {
  const train = request.train.frame.columns.get(name);
  const test = request.test.frame.columns.get(name);
  if (!train || !test) return undefined;
  const groups = groupRows(train, request.train.frame);
  const all = new Map([...groups].map(([key, rows]) => [key, rows.length]));
  const keys = Array.from({ length: request.test.frame.rowCount }, (_, row) => cell(test, row));
  for (const key of keys) if (key !== null) all.set(key, (all.get(key) ?? 0) + 1);
  const present = [...all.values()].reduce((sum, rows) => sum + rows, 0);
  const accompanied = [...all.values()].reduce((sum, rows) => sum + (rows > 1 ? rows : 0), 0);
  const average = present / Math.max(1, all.size);
  if (all.size < GROUPS_MIN || average < GROUP_ROWS_MIN || average > GROUP_ROWS_MAX || accompanied < present * IN_COMPANY_RATIO_MIN)
    return undefined;
  const shared = keys.flatMap((key, row) => (key !== null && groups.has(key) ? [row] : []));
  if (shared.length < keys.length * SHARED_RATIO_MIN) return undefined;
  const telling = tellingOf(shared, keys, groups, request);
  if (!(telling >= (request.regression ? TELLING_R2_MIN : TELLING_AUC_MIN))) return undefined;
  return { name, shared: shared.length, telling, groups: all.size };
}

function groupRows(column: Column, frame: Frame): Map<number | string, number[]> {
  const groups = new Map<number | string, number[]>();
  for (let row = 0; row < frame.rowCount; row += 1) {
    const key = cell(column, row);
    if (key === null) continue;
    const rows = groups.get(key);
    if (rows) rows.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}

/** The mean target of a group's training rows as a prediction for its test rows. */
function tellingOf(
  shared: readonly number[],
  keys: readonly (number | string | null)[],
  groups: ReadonlyMap<number | string, readonly number[]>,
  { trainTarget, testTarget, regression }: GroupRequest,
): number {
  const score = (value: (target: number) => number) => {
    let total = 0;
    for (let row = 0; row < trainTarget.length; row += 1) total += value(trainTarget[row] as number);
    const mean = total / Math.max(1, trainTarget.length);
    return Float64Array.from(shared, (row) => {
      const members = groups.get(keys[row] as number | string) ?? [];
      return members.reduce((sum, member) => sum + value(trainTarget[member] as number), PRIOR_ROWS * mean) / (members.length + PRIOR_ROWS);
    });
  };
  const truth = shared.map((row) => testTarget[row] as number);
  if (!regression) {
    const classes = [...new Set(truth)].slice(0, 10);
    const areas = classes
      .map((code) =>
        rocAuc(
          score((target) => Number(target === code)),
          Uint8Array.from(truth, (value) => Number(value === code)),
        ),
      )
      .filter((area) => !Number.isNaN(area));
    return areas.length === 0 ? Number.NaN : areas.reduce((sum, area) => sum + area, 0) / areas.length;
  }
  const predicted = score((target) => target);
  const centre = truth.reduce((sum, value) => sum + value, 0) / truth.length;
  const residual = truth.reduce((sum, value, at) => sum + (value - (predicted[at] as number)) ** 2, 0);
  const spread = truth.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return spread === 0 ? Number.NaN : 1 - residual / spread;
}

/** A few groups with a row of each side. */
function evidenceOf(name: string, { train, test, target }: GroupRequest): Leak['rows'] {
  const trained = train.frame.columns.get(name);
  const tested = test.frame.columns.get(name);
  if (!trained || !tested) return [];
  const groups = groupRows(trained, train.frame);
  const shown: Leak['rows'] = [];
  const seen = new Set<number | string>();
  for (let row = 0; row < test.frame.rowCount && shown.length + 2 <= LEAK_EVIDENCE_ROW_LIMIT; row += 1) {
    const key = cell(tested, row);
    const member = key === null || seen.has(key) ? undefined : groups.get(key)?.[0];
    if (key === null || member === undefined) continue;
    seen.add(key);
    shown.push(evidenceRow(test, row, [name, target]), evidenceRow(train, member, [name, target]));
  }
  return shown;
}
