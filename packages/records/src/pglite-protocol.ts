/** Messages between the process and the thread that owns the embedded database. */
export type WorkerRequest = { readonly id: number } & (
  | { readonly type: 'query'; readonly sql: string; readonly params: (string | Uint8Array | null)[] }
  | { readonly type: 'script'; readonly sql: string }
  /** Asks for the next part of a reply that comes in several; `id` is the query's. */
  | { readonly type: 'more' }
  | { readonly type: 'listen'; readonly channel: string }
  | { readonly type: 'dump' }
  | { readonly type: 'close' }
);

export interface ReplyField {
  readonly name: string;
  readonly dataTypeID: number;
}

/**
 * Cells of one message, and characters in them: a larger reply comes in parts, each asked for, because receiving a
 * message occupies the event loop (200,000 rows of five columns at once: 700 ms; in parts: under 5 ms a turn, 2026-11).
 */
export const PART_CELLS_MAX = 4_000;
export const PART_CHARACTERS_MAX = 512 * 1024;
/** Parts of long replies after which what they left in the young generation is collected: some 2 MB, which takes 1 to 3 ms. */
export const PARTS_PER_COLLECTION = 4;

export interface ErrorFields {
  readonly [name: string]: string | undefined;
}

export type WorkerReply = { readonly id: number } & (
  | { readonly type: 'ready' }
  | { readonly type: 'done' }
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly type: 'rows';
      readonly fields: readonly ReplyField[];
      readonly rows: readonly (string | null)[][];
      readonly affected: number;
      /** More rows follow once they are asked for. */
      readonly partial: boolean;
    }
  | { readonly type: 'notification'; readonly channel: string; readonly payload: string }
  | { readonly type: 'error'; readonly message: string; readonly fields: ErrorFields | undefined }
);
