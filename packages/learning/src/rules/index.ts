export { RuleError } from './errors.ts';
export { parsePredicate } from './parse-predicate.ts';
export { readRuleFile } from './read-rule-file.ts';
export {
  parseRules,
  RULE_LIMIT,
  type ColumnTest,
  type Comparison,
  type Condition,
  type Literal,
  type Operand,
  type Rule,
  type RuleTable,
} from './rule-table.ts';
