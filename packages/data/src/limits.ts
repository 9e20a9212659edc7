/** What ingestion refuses to go past; tests lower them, nothing else should. */
export interface IngestLimits {
  /** Bytes of the source as given (compressed or not). */
  readonly sourceBytes: number;
  /** Bytes after decompression: a bomb of 1,000:1 stops here. */
  readonly decompressedBytes: number;
  readonly columns: number;
  readonly rows: number;
  /** Bytes of one value in UTF-8. */
  readonly fieldBytes: number;
  /** Bytes of one row, quotes and delimiters included. */
  readonly rowBytes: number;
}

export const INGEST_LIMITS: IngestLimits = {
  sourceBytes: 2 * 1024 ** 3,
  decompressedBytes: 8 * 1024 ** 3,
  columns: 2_000,
  rows: 50_000_000,
  // Fits the kernel's STRING_LENGTH_LIMIT, so that every value ingested may also be sent in a call.
  fieldBytes: 1_000_000,
  rowBytes: 16 * 1024 ** 2,
};

/** Most bytes an upload may have: 2 GiB. */
export const UPLOAD_LIMIT_BYTES = 2 * 1024 ** 3;
/** Characters of a column's name. */
export const COLUMN_NAME_LENGTH_MAX = 256;
/** Ragged rows, unknown names and the like are listed up to here; the message says how many there are. */
export const LISTED_MAX = 10;
/** Rows one preview may return. */
export const PREVIEW_ROW_LIMIT = 1_000;
/** Cells of one frame: 500 million doubles are 4 GB. */
export const FRAME_CELL_LIMIT = 500_000_000;
