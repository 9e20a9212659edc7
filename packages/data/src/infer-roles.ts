import { type FieldRole, type FieldType, nearestName } from '@slipway/kernel';
import type { ColumnProfile, Note, Profile } from './contract.ts';
import { RoleError, UnknownColumnError } from './errors.ts';

/** Texts of several words with more distinct values than this are not categories. */
export const CATEGORY_LIMIT = 1_000;
/** Texts that differ in more than this share of rows do not repeat enough to be categories. */
export const UNIQUE_RATIO_TEXT = 0.5;
/** Texts longer than this on average, or of more words, are text. */
export const TEXT_LENGTH_MEAN = 50;
export const TEXT_WORDS_MEAN = 5;
/** Repeating texts of at most this many words on average are categories. */
export const CATEGORY_WORDS_MEAN = 2;
/** Distinct in at least this share of rows is nearly unique. */
export const UNIQUE_RATIO_IDENTIFIER = 0.98;
/** Fewer rows say nothing about uniqueness. */
const ROWS_FOR_UNIQUENESS = 20;

export interface RoleWishes {
  readonly exclude?: readonly string[] | undefined;
  readonly as?: Readonly<Record<string, FieldRole>> | undefined;
  readonly target?: string | undefined;
  readonly time?: string | undefined;
  readonly group?: string | undefined;
  readonly subject?: string | undefined;
}

export interface Roles {
  readonly roles: ReadonlyMap<string, FieldRole>;
  readonly notes: readonly Note[];
}

/**
 * What each column is for, by its values and its name; the caller's wishes win. Every column that is not used says why.
 * @throws {UnknownColumnError} with the nearest name, {@link RoleError} where values do not allow a role.
 */
export function inferRoles(profile: Profile, wishes: RoleWishes): Roles {
  checkNames(
    profile.columns.map((column) => column.name),
    wishes,
  );
  const excluded = new Set(wishes.exclude);
  const roles = new Map<string, FieldRole>();
  const notes: Note[] = [];
  for (const column of profile.columns) {
    const { role, note } = roleOf(column, profile.rows, wishes, excluded);
    roles.set(column.name, role);
    if (note) notes.push({ column: column.name, note });
  }
  return { roles, notes };
}

/** @throws {UnknownColumnError} when a wish names a column that is not there, or two wishes contradict. */
export function checkNames(names: readonly string[], wishes: RoleWishes): void {
  const known = new Set(names);
  const check = (wish: string, name: string | undefined) => {
    if (name === undefined || known.has(name)) return;
    const near = nearestName(name, names);
    const list = names.slice(0, 20).join(', ');
    throw new UnknownColumnError(`There is no column "${name}" (${wish}).${near ? ` Did you mean "${near}"?` : ''}`, {
      details: { column: name, wish, suggestion: near ?? null },
      help:
        names.length === 1 && /\W/.test(list)
          ? `The file has one column, "${list}"; if it should have more, say what separates them with --delimiter.`
          : `The columns are: ${list}${names.length > 20 ? `, … (${names.length})` : ''}.`,
    });
  };
  check('target', wishes.target);
  check('time', wishes.time);
  check('group', wishes.group);
  check('subject', wishes.subject);
  for (const name of wishes.exclude ?? []) check('exclude', name);
  for (const name of Object.keys(wishes.as ?? {})) check('as', name);
  if (wishes.target !== undefined && wishes.exclude?.includes(wishes.target)) {
    throw new RoleError(`The target "${wishes.target}" is also excluded.`, {
      help: 'Leave it out of `exclude`, or choose another target.',
    });
  }
}

interface RoleDecision {
  readonly role: FieldRole;
  readonly note?: string;
}

function roleOf(column: ColumnProfile, rows: number, wishes: RoleWishes, excluded: ReadonlySet<string>): RoleDecision {
  const { name } = column;
  if (name === wishes.target) return { role: 'target' };
  if (excluded.has(name)) return { role: 'ignored', note: 'Left out on request.' };
  const wished = wishes.as && Object.hasOwn(wishes.as, name) ? wishes.as[name] : undefined;
  if (wished) return checkWish(column, wished);
  if (name === wishes.time && column.type === 'timestamp') return { role: 'time' };
  if (name === wishes.group) return { role: 'identifier', note: 'Groups rows; not used as an input.' };
  if (name === wishes.subject) return { role: 'identifier', note: 'Says whose data a row is; not used as an input.' };
  return inferRole(column, rows);
}

const ROLE_TYPES: Readonly<Partial<Record<FieldRole, readonly FieldType[]>>> = {
  numeric: ['int64', 'float64', 'boolean'],
  boolean: ['boolean'],
  time: ['timestamp'],
};

function checkWish(column: ColumnProfile, role: FieldRole): RoleDecision {
  if (role === 'target') throw new RoleError(`Name the target with \`target\`, not with a role ("${column.name}").`);
  const types = ROLE_TYPES[role];
  if (!types || types.includes(column.type)) return { role };
  throw new RoleError(`Column "${column.name}" cannot be ${role}: its values are of type ${column.type}.`, {
    details: { column: column.name, role, type: column.type },
    help: `For ${role} a column must be ${types.join(' or ')}; see its note for the values that do not fit.`,
  });
}

function inferRole(column: ColumnProfile, rows: number): RoleDecision {
  const present = rows - column.missing;
  if (present === 0) return { role: 'ignored', note: 'Not used: it has no values.' };
  if (column.type === 'json') return { role: 'ignored', note: 'Not used: it holds objects or lists.' };
  if (column.constant) return { role: 'ignored', note: 'Not used: it has the same value in every row that has one.' };
  const identifier = identifierReason(column, present, rows);
  if (identifier) return { role: 'identifier', note: `Not used: ${identifier}.` };
  if (column.type === 'boolean') return { role: 'boolean' };
  if (column.type === 'timestamp') return { role: 'time' };
  if (column.type === 'string') return { role: isFreeText(column, present) ? 'text' : 'categorical' };
  return { role: 'numeric' };
}

/** Names that people give to keys: id, uuid, customerID, order_no, row names of data frames. */
const ID_NAME =
  /(?:^|[^a-z])(?:id|ids|uuid|guid|key|pk|rownames?|row_?names?|row_?(?:number|id|no)|index|idx|serial)$|^(?:id|uuid|guid|unnamed)(?:[^a-z]|$)|[a-z](?:ID|Id|Key|UUID|Uuid)$|(?:^|[_\W])(?:no|nr|num|number)$|^column_1$/;

export function hasIdName(name: string): boolean {
  return ID_NAME.test(name) || ID_NAME.test(name.toLowerCase());
}

function identifierReason(column: ColumnProfile, present: number, rows: number): string | undefined {
  if (column.type !== 'string' && column.type !== 'int64') return undefined;
  if (column.sequence && rows >= ROWS_FOR_UNIQUENESS) return 'it counts the rows';
  if (present < ROWS_FOR_UNIQUENESS) return undefined;
  const ratio = column.distinct / present;
  if (ratio < UNIQUE_RATIO_IDENTIFIER) return undefined;
  if (hasIdName(column.name))
    return `it identifies rows (${column.distinct} different values in ${present} rows, and it is named like a key)`;
  const unique = column.distinctIsExact && column.distinct === present;
  // Unique short texts of one word are codes; longer ones are descriptions that a model may read.
  if (column.type === 'string' && unique && (column.words ?? 0) < 1.2 && (column.lengths?.mean ?? 0) <= 64) {
    return `it identifies rows (every one of its ${present} values is different)`;
  }
  return undefined;
}

function isFreeText(column: ColumnProfile, present: number): boolean {
  const length = column.lengths?.mean ?? 0;
  const words = column.words ?? 0;
  const ratio = column.distinct / present;
  if (column.distinct <= 50 && ratio <= UNIQUE_RATIO_TEXT) return length > 200;
  if (length > TEXT_LENGTH_MEAN || words > TEXT_WORDS_MEAN) return true;
  if (present < ROWS_FOR_UNIQUENESS) return false;
  if (ratio > UNIQUE_RATIO_TEXT) return true;
  // Names of one or two words that come again and again are categories, however many there are: cities, articles, codes.
  return column.distinct > CATEGORY_LIMIT && words > CATEGORY_WORDS_MEAN;
}
