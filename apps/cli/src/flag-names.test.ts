import assert from 'node:assert/strict';
import { test } from 'vitest';
import { flagOf } from './flag-names.ts';

test.each([
  [['split', 'strategy'], '--split'],
  [['objective', 'costs', 'falsePositive'], '--cost-fp'],
  [['objective', 'constraint', 'atLeast'], '--constraint'],
  [['forecast', 'frequency'], '--frequency'],
  [['forecast', 'seasons', 0], '--season'],
  [['read', 'delimiter'], '--delimiter'],
  [['read', 'dayFirst'], '--dates'],
  [['read', 'missing', 0], '--missing'],
  [['acceptLeak', 3], '--accept-leak'],
  [['name'], '--name'],
])('%j was given by %s', (path, flag) => assert.equal(flagOf(path), flag));
