/** Messages between the process and the thread that owns the embedded database. */
export type WorkerRequest = { readonly id: number } & (
  | { readonly type: 'query'; readonly sql: string; readonly params: (string | Uint8Array | null)[] }
  | { readonly type: 'script'; readonly sql: string }
  | { readonly type: 'listen'; readonly channel: string }
  | { readonly type: 'dump' }
  | { readonly type: 'close' }
);

export interface ErrorFields {
  readonly [name: string]: string | undefined;
}

export type WorkerReply = { readonly id: number } & (
  | { readonly type: 'ready' }
  | { readonly type: 'done' }
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly type: 'rows';
      readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
      readonly rows: readonly (string | null)[][];
      readonly affected: number;
    }
  | { readonly type: 'notification'; readonly channel: string; readonly payload: string }
  | { readonly type: 'error'; readonly message: string; readonly fields: ErrorFields | undefined }
);
