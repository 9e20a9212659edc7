import type { GraphBuilder } from '@slipway/models';
import { type Calibration, segmentsOf } from '../calibration.ts';

/** Adds a calibration of margins, in double. @returns calibrated margins, double [N, outputs]. */
export function exportCalibration(graph: GraphBuilder, calibration: Calibration | null, margins: string): string {
  if (!calibration) return margins;
  const scalar = (value: number) => graph.constant(Float64Array.of(value), [1]);
  if (calibration.kind === 'temperature') return graph.op('Mul', [margins, scalar(calibration.factor)]);
  if (calibration.kind === 'platt') {
    return graph.op('Add', [graph.op('Mul', [margins, scalar(calibration.slope)]), scalar(calibration.intercept)]);
  }
  const { first, starts, lows, highs, slopes } = segmentsOf(calibration);
  const row = (values: Float64Array) => graph.constant(values, [1, values.length]);
  const beyond = graph.op('Sub', [margins, row(starts)]);
  const parts = graph.op('Min', [graph.op('Max', [beyond, row(lows)]), row(highs)]);
  return graph.op('Add', [graph.op('MatMul', [parts, graph.constant(slopes, [slopes.length, 1])]), scalar(first)]);
}
