import { inputField } from '@slipway/telemetry';
import type { ContractFinding, Fairness, MonitorReport } from '../contract.ts';
import { GROUP_COUNT_MIN, SELECTION_RATIO_MIN } from '../limits.ts';

/** Moved inputs that a cause names; more are counted. */
const FIELDS_NAMED_LIMIT = 3;

type Compared = Pick<MonitorReport, 'reference' | 'fields'>;

/**
 * What a worse error goes with: inputs that moved in the same window, or, where they did not, a changed relation between inputs and
 * outcome. Says so, too, where that cannot be told. Null when the report did not compare inputs.
 */
export function causeOfError({ reference, fields }: Compared): string | null {
  if (reference === null) return 'unknown: the version came without training data, so nobody can tell whether its inputs have moved';
  const inputs = fields.filter((each) => each.about === 'input');
  if (inputs.length === 0) return null;
  const moved = movedInputs(inputs);
  if (moved !== null) return moved;
  if (inputs.every((each) => each.verdict === 'not-enough-data')) return 'unknown: too few calls to tell whether the inputs have moved';
  return 'the inputs are as they were in training, so what they say about the outcome may have changed, or how outcomes are made';
}

/** Inputs that moved in the same window, with what happened to them; null when none did. */
export function movedInputs(inputs: MonitorReport['fields']): string | null {
  const moved = inputs.filter((each) => each.verdict === 'drift' || each.verdict === 'warn');
  if (moved.length === 0) return null;
  const named = moved.slice(0, FIELDS_NAMED_LIMIT).map((each) => (each.cause === null ? each.field : `${each.field} (${each.cause})`));
  const more = moved.length > named.length ? ` and ${moved.length - named.length} more` : '';
  return `inputs have moved at the same time: ${named.join(', ')}${more}`;
}

/**
 * Why one group gets less: the model finds its rightful cases less often, or finds them as often and there are fewer of them. Without
 * enough outcomes of both groups the two cannot be told apart.
 */
export function causeOfFairness({ groups, favourable }: Pick<Fairness, 'groups' | 'favourable'>): string {
  const judged = groups.filter((each) => each.count >= GROUP_COUNT_MIN).toSorted((a, b) => a.selection.value - b.selection.value);
  const [least, most] = [judged[0], judged.at(-1)];
  const known = (group: typeof least) => (group && group.outcomes >= GROUP_COUNT_MIN ? group.truePositiveRate : null);
  const [found, foundElsewhere] = [known(least), known(most)];
  if (!least || !most || found === null || foundElsewhere === null)
    return 'unknown: without outcomes of both groups, different cases cannot be told from different treatment';
  const rates = `${percent(found)} of "${least.group}" and ${percent(foundElsewhere)} of "${most.group}"`;
  return found < SELECTION_RATIO_MIN * foundElsewhere
    ? `of those who turned out to be "${favourable}" it found ${rates}: it knows the group less well`
    : `of those who turned out to be "${favourable}" it found ${rates}: in "${least.group}" they are rarer`;
}

/** Where values that break the contract come from: what happened to the whole field, or what the rule itself suggests. */
export function causeOfContract(
  { field, rule }: Pick<ContractFinding, 'field' | 'rule'>,
  { fields }: Pick<MonitorReport, 'fields'>,
): string {
  const whole = fields.find((each) => each.field === inputField(field))?.cause;
  if (whole) return whole;
  if (rule === 'missing') return 'a source may have stopped filling it';
  if (rule === 'allowed') return 'values that the contract does not know: new ones, or new spellings of old ones';
  return 'the rest of the field is as it was: single entries that are wrong, or a range that has grown';
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))} %`;
}
