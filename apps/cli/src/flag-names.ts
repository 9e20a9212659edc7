/** Flags whose names are not those of the definition's fields. */
const FLAGS: Readonly<Record<string, string>> = {
  acceptLeak: 'accept-leak',
  'split.strategy': 'split',
  'split.testRatio': 'test-ratio',
  'split.seed': 'seed',
  'train.seconds': 'seconds',
  'objective.costs.falsePositive': 'cost-fp',
  'objective.costs.falseNegative': 'cost-fn',
  'objective.costs.truePositive': 'cost-tp',
  'objective.costs.trueNegative': 'cost-tn',
  'objective.costPerUnitError.over': 'cost-over',
  'objective.costPerUnitError.under': 'cost-under',
  'objective.kpi': 'kpi',
  'objective.constraint': 'constraint',
  'forecast.seasons': 'season',
  'read.dayFirst': 'dates',
};

/** The flag that a part of a launch definition was given by, such as `--cost-fp` for `objective.costs.falsePositive`. */
export function flagOf(path: readonly PropertyKey[]): string {
  for (let length = path.length; length > 0; length -= 1) {
    const flag = FLAGS[path.slice(0, length).join('.')];
    if (flag !== undefined) return `--${flag}`;
  }
  const [first = '', second] = path.map(String);
  return `--${(first === 'read' || first === 'forecast') && second !== undefined ? second : first}`;
}
