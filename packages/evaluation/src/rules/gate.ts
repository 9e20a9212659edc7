import type { GateResult } from '../contract.ts';
import type { RulesSection } from './contract.ts';

/** "Rules or AI?" as a gate: the model is shown to be better than the baseline's rules by the metric. */
export function decideRules(metric: string, section: RulesSection | null): GateResult {
  const name = `${metric} better than rules`;
  const found = section?.comparison?.metrics.find((each) => each.metric === metric);
  const low = found?.improvement.low ?? null;
  if (!found || low === null) {
    const why = section?.role === 'baseline' ? section.notes.join(' ') : '';
    const message = `The model was not compared with rules by ${metric}. ${why || 'Give the definition a baseline (--baseline-rules FILE), or leave the gate out.'}`;
    return { name, passed: false, value: null, threshold: 0, message };
  }
  const { value } = found.improvement;
  const said = `By ${metric} the model is ${show(value)} better than the rules (${show(found.model)} against ${show(found.rules)}), at least ${show(low)} with 95 % confidence`;
  if (low > 0) return { name, passed: true, value: low, threshold: 0, message: `${said}.` };
  const mend = 'Launch the rules themselves (--rules FILE), or find more rows or columns that the model can use.';
  return { name, passed: false, value: low, threshold: 0, message: `${said}, which is not above 0: the rules do as well. ${mend}` };
}

function show(value: number | null): string {
  return value === null ? 'undefined' : String(Number(value.toPrecision(4)));
}
