import { type GraphBuilder, inputNameOf, ML_DOMAIN } from '@slipway/models';
import {
  type CalendarPlan,
  type CategoryPlan,
  DAY_MS,
  FIRST_LEVEL_CODE,
  type FeaturePlan,
  MISSING_CODE,
  type NumberPlan,
  OTHER_CODE,
  type Preparation,
  type StatisticPlan,
  type TimePlan,
} from '../preparation.ts';
import { CALENDAR_STEPS } from '../calendar.ts';
import { TextExporter } from './export-text.ts';

/** ONNX element types used in Cast. */
export const FLOAT = 1;
export const DOUBLE = 11;

/** int64 stand-in for a missing time. */
const MISSING_TIME = -(2n ** 63n);

/** Declares one input per used field and computes the features [N, F] under a name. @returns the name. */
export function exportPreparation(graph: GraphBuilder, preparation: Preparation, output = 'features'): string {
  const inputs = new Map<string, string>();
  for (const plan of preparation.features) {
    if (!inputs.has(plan.field)) inputs.set(plan.field, graph.input(inputNameOf(plan.field), inputType(plan), ['N', 1]));
  }
  const texts = new TextExporter(graph, preparation.texts ?? []);
  const encoded = preparation.features.map((plan) => exportFeature({ graph, texts }, plan, inputs.get(plan.field) as string));
  return graph.op('Concat', encoded, { axis: 1 }, { output });
}

function inputType(plan: FeaturePlan): 'double' | 'int64' | 'string' {
  if (plan.kind === 'number') return 'double';
  return plan.kind === 'time' || plan.kind === 'calendar' ? 'int64' : 'string';
}

interface Exporters {
  readonly graph: GraphBuilder;
  readonly texts: TextExporter;
}

function exportFeature({ graph, texts }: Exporters, plan: FeaturePlan, input: string): string {
  if (plan.kind === 'category') return exportCategory(graph, plan, input);
  if (plan.kind === 'calendar') return exportCalendar(graph, plan, input);
  if (plan.kind === 'statistic') return exportStatistic(graph, plan, input);
  if (plan.kind === 'textScore') return texts.score(plan, input);
  if (plan.kind === 'textCount') return texts.count(plan, input);
  return plan.kind === 'time' ? exportTime(graph, plan, input) : exportNumber(graph, plan, input);
}

const doubleOf = (graph: GraphBuilder, value: number) => graph.constant(Float64Array.of(value), [1]);

function exportNumber(graph: GraphBuilder, plan: NumberPlan, input: string): string {
  const shifted = plan.shift === 0 ? input : graph.op('Sub', [input, doubleOf(graph, plan.shift)]);
  return graph.op('Cast', [shifted], { to: FLOAT });
}

/** Subtraction and remainder in int64, division in double, then one rounding: as encodeFrame does. */
function exportTime(graph: GraphBuilder, plan: TimePlan, input: string): string {
  const reference = graph.constant(BigInt64Array.of(BigInt(plan.referenceMs)), [1]);
  const since = plan.referenceMs === 0 ? input : graph.op('Sub', [input, reference]);
  const moment = plan.periodMs === 0 ? since : graph.op('Mod', [since, graph.constant(BigInt64Array.of(BigInt(plan.periodMs)), [1])]);
  const days = graph.op('Div', [graph.op('Cast', [moment], { to: DOUBLE }), doubleOf(graph, DAY_MS)]);
  const isMissing = graph.op('Equal', [input, graph.constant(BigInt64Array.of(MISSING_TIME), [1])]);
  return graph.op('Cast', [graph.op('Where', [isMissing, doubleOf(graph, Number.NaN), days])], { to: FLOAT });
}

/** Whole numbers throughout, as `calendarCode`. */
function exportCalendar(graph: GraphBuilder, plan: CalendarPlan, input: string): string {
  const whole = (value: number) => graph.constant(BigInt64Array.of(BigInt(value)), [1]);
  const step = (op: string, value: string, other: number) => graph.op(op, [value, whole(other)]);
  const { unitMs, shift, period } = CALENDAR_STEPS[plan.part];
  // ONNX divides towards zero; without the remainder the division is exact.
  const units = step('Div', graph.op('Sub', [input, step('Mod', input, unitMs)]), unitMs);
  const rest = step('Mod', step('Add', units, shift), period);
  const code = plan.part === 'month' ? exportMonth(graph, rest, step) : rest;
  const isMissing = graph.op('Equal', [input, graph.constant(BigInt64Array.of(MISSING_TIME), [1])]);
  const coded = graph.op('Where', [isMissing, whole(MISSING_CODE), step('Add', code, FIRST_LEVEL_CODE)]);
  return graph.op('Cast', [coded], { to: FLOAT });
}

function exportMonth(graph: GraphBuilder, day: string, step: (op: string, value: string, other: number) => string): string {
  const cycles = graph.op('Sub', [day, step('Div', day, 1_460)]);
  const leaps = graph.op('Sub', [graph.op('Add', [cycles, step('Div', day, 36_524)]), step('Div', day, 146_096)]);
  const year = step('Div', leaps, 365);
  const yearDays = graph.op('Sub', [graph.op('Add', [step('Mul', year, 365), step('Div', year, 4)]), step('Div', year, 100)]);
  const dayOfYear = graph.op('Sub', [day, yearDays]);
  const fromMarch = step('Div', step('Add', step('Mul', dayOfYear, 5), 2), 153);
  return step('Mod', step('Add', fromMarch, 2), 12);
}

function exportCategory(graph: GraphBuilder, plan: CategoryPlan, input: string): string {
  return graph.op(
    'LabelEncoder',
    [input],
    {
      keys_strings: ['', ...plan.levels],
      values_floats: [MISSING_CODE, ...plan.levels.map((_, index) => FIRST_LEVEL_CODE + index)],
      default_float: OTHER_CODE,
    },
    { domain: ML_DOMAIN },
  );
}

function exportStatistic(graph: GraphBuilder, plan: StatisticPlan, input: string): string {
  return graph.op(
    'LabelEncoder',
    [input],
    { keys_strings: ['', ...plan.levels], values_floats: [plan.missing, ...plan.values], default_float: plan.otherwise },
    { domain: ML_DOMAIN },
  );
}
