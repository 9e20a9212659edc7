import { Contract } from '@slipway/kernel';

/**
 * What a call of a forecaster sends: the series (when there are several), newer rows than the forecaster knows, rows of
 * known future, the number of steps, the level of the intervals, and the time that a series without history starts at.
 */
export function callContract(hasSeries: boolean): Contract {
  const optional = { nullable: true, severity: 'error' } as const;
  return Contract.parse({
    format: 'slipway.contract/1',
    fields: [
      ...(hasSeries ? [{ name: 'series', type: 'string', role: 'categorical', nullable: false, severity: 'error' }] : []),
      { name: 'history', type: 'json', role: 'ignored', ...optional },
      { name: 'future', type: 'json', role: 'ignored', ...optional },
      { name: 'horizon', type: 'int64', role: 'ignored', ...optional },
      { name: 'level', type: 'float64', role: 'ignored', ...optional },
    ],
  });
}

/** The contract of a forecaster's answers, for monitors and clients. */
export function answerShape(): Contract {
  const shared = { nullable: false, severity: 'error' } as const;
  return Contract.parse({
    format: 'slipway.contract/1',
    fields: [
      { name: 'prediction', type: 'float64', role: 'numeric', ...shared },
      { name: 'forecast', type: 'json', role: 'ignored', ...shared },
    ],
  });
}
