import {
  type ContractProblem,
  ConflictError,
  InvalidError,
  NotFoundError,
  PlatformError,
  TooLargeError,
  UnavailableError,
} from '@slipway/kernel';

/** No release of that name in the project. */
export class ReleaseNotFoundError extends NotFoundError {
  override readonly code = 'releases/not-found';
  constructor(name: string, known: readonly string[] = []) {
    super(`There is no release "${name}".`, {
      details: { release: name },
      help: known.length > 0 ? `This project has: ${known.slice(0, 10).join(', ')}` : 'List them with: slipway releases',
    });
  }
}

/** The release has no revision of that number. */
export class RevisionNotFoundError extends NotFoundError {
  override readonly code = 'releases/revision-not-found';
  constructor(release: string, revision: number) {
    super(`Release "${release}" has no revision ${revision}.`, {
      details: { release, revision },
      help: `List them with: slipway releases ${release}`,
    });
  }
}

/** There is nothing to roll back to, or the wanted revision is live already. */
export class RollbackError extends ConflictError {
  override readonly code = 'releases/rollback';
}

/** Rows that break the revision's input contract; `details.problems` names row, field, expected and got. */
export class CallInvalidError extends InvalidError {
  override readonly code = 'releases/call-invalid';
  constructor(problems: readonly ContractProblem[]) {
    const first = problems[0];
    const where = first
      ? `row ${first.row}${first.field === '' ? '' : `, field "${first.field}"`}: expected ${first.expected}, got ${first.got}`
      : '';
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more problems)` : '';
    super(`The input breaks the contract: ${where}${more}.`, { details: { problems } });
  }
}

/** More rows in one call than the named limit. */
export class TooManyRowsError extends TooLargeError {
  override readonly code = 'releases/too-many-rows';
}

/** The revision's version cannot be loaded here. */
export class ServableUnavailableError extends UnavailableError {
  override readonly code = 'releases/servable-unavailable';
}

/** The answer cannot be explained: of a kind that has no explanations, failed, or recorded without its input. */
export class NotExplainableError extends InvalidError {
  override readonly code = 'releases/not-explainable';
  constructor(reason: string) {
    const messages: Record<string, string> = {
      error: 'This call failed: there is no answer to explain.',
      pending: 'This call has no answer yet that could be explained.',
      redacted: 'This call was recorded without its input, so it cannot be answered again.',
    };
    super(messages[reason] ?? `A version of kind "${reason}" does not explain its answers.`, { details: { reason } });
  }
}

/** The servable threw while answering; the cause is logged, not shown. */
export class ServableFailedError extends PlatformError {
  override readonly code = 'releases/servable-failed';
  override readonly kind = 'internal' as const;
  constructor(cause: unknown) {
    super('The version failed while it was answering.', { cause });
  }
}
