import type { Contract, Field } from '@slipway/kernel';
import type { FieldSketch } from '@slipway/statistics';
import { inputField } from '@slipway/telemetry';
import type { ContractFinding } from '../contract.ts';
import { CURRENT_COUNT_MIN, EXPECTATION_ALERT_RATIO, EXPECTATION_WARN_RATIO } from '../limits.ts';

/**
 * What live values break of the contract's expectations, from sketches alone. Types never break here: such calls are refused. Shares
 * of numbers are read from quantiles; a value outside is certain from the minimum and maximum.
 */
export function checkContract(contract: Contract, sketches: ReadonlyMap<string, FieldSketch>): ContractFinding[] {
  return contract.fields.flatMap((field) => {
    const sketch = sketches.get(inputField(field.name));
    return sketch && sketch.count > 0 ? findingsOf(field, sketch) : [];
  });
}

function findingsOf(field: Field, sketch: FieldSketch): ContractFinding[] {
  const { missingRatioMax, minimum, maximum, allowedValues } = field.expect;
  const missing = sketch.missing / sketch.count;
  const present = sketch.present / sketch.count;
  const found: (ContractFinding | undefined)[] = [
    // Within sampling error of the tolerated share nothing is said.
    missingRatioMax !== undefined && missing > missingRatioMax + 3 * Math.sqrt((missingRatioMax * (1 - missingRatioMax)) / sketch.count)
      ? finding(field, sketch, {
          rule: 'missing',
          expected: `at most ${missingRatioMax}`,
          got: short(missing),
          ratio: missing - missingRatioMax,
        })
      : undefined,
    minimum !== undefined && sketch.kind === 'number' && sketch.minimum < minimum
      ? finding(field, sketch, {
          rule: 'minimum',
          expected: `at least ${minimum}`,
          got: short(sketch.minimum),
          ratio: shareBelow(sketch, minimum) * present,
        })
      : undefined,
    maximum !== undefined && sketch.kind === 'number' && sketch.maximum > maximum
      ? finding(field, sketch, {
          rule: 'maximum',
          expected: `at most ${maximum}`,
          got: short(sketch.maximum),
          ratio: Math.max(1 / sketch.count, 1 - sketch.cdf(maximum)) * present,
        })
      : undefined,
    allowedValues && sketch.kind === 'text' ? disallowed(field, sketch, allowedValues) : undefined,
  ];
  return found.filter((each) => each !== undefined);
}

function shareBelow(sketch: FieldSketch, minimum: number): number {
  const step = Math.max(Number.MIN_VALUE, Math.abs(minimum) * Number.EPSILON);
  return Math.max(1 / sketch.count, sketch.cdf(minimum - step));
}

function disallowed(field: Field, sketch: FieldSketch, allowedValues: readonly string[]): ContractFinding | undefined {
  // Counts of a sketch are at most too low, so that what is left over is at most too high; named values are certain.
  const allowed = new Set(allowedValues);
  const strange = sketch.topValues().filter((top) => top.value !== null && !allowed.has(top.value));
  const count = strange.reduce((sum, top) => sum + top.count, 0);
  if (count === 0) return undefined;
  const named = strange.find((top) => top.count >= 5)?.value ?? 'rare values';
  return finding(field, sketch, { rule: 'allowed', expected: 'one of the allowed values', got: named, ratio: count / sketch.count });
}

function finding(
  field: Field,
  sketch: FieldSketch,
  { rule, expected, got, ratio }: Pick<ContractFinding, 'rule' | 'expected' | 'got' | 'ratio'>,
): ContractFinding {
  const verdict =
    sketch.count < CURRENT_COUNT_MIN
      ? 'not-enough-data'
      : ratio >= EXPECTATION_ALERT_RATIO
        ? 'drift'
        : ratio >= EXPECTATION_WARN_RATIO
          ? 'warn'
          : 'ok';
  return { field: field.name, rule, expected, got, ratio: Math.min(1, Math.max(0, ratio)), verdict };
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
