import type { Row } from '@slipway/kernel';
import { type PlainError, plainError } from '../worker-messages.ts';
import { type ImportedModel, importHere } from './import-model.ts';
import type { ForeignOptions } from './options.ts';

/** What the parent process asks for, and what it gets. */
export interface ImportRequest {
  readonly bytes: Uint8Array;
  readonly options: ForeignOptions;
  readonly rows: readonly Row[];
  readonly columns: readonly string[] | undefined;
}
export type ImportReply = { readonly imported: ImportedModel } | { readonly failed: PlainError };

/** Entry of a process that reads one model and ends; see limited-process.ts. */
process.once('message', (request: ImportRequest) => {
  importHere(request.bytes, request.options, request)
    .then(
      (imported): ImportReply => ({ imported }),
      (thrown: unknown): ImportReply => ({ failed: plainError(thrown) }),
    )
    .then((reply) => process.send?.(reply, () => process.exit(0)))
    .catch(() => process.exit(1));
});
