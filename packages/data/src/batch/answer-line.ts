import type { Frame } from '@slipway/kernel';
import { type Session, throwIfAborted } from '../engine.ts';
import { AnswerWriter, type Answers, type Written } from './answer-writer.ts';
import type { Piece, PieceLoader } from './load-piece.ts';

export interface AnswerLineOptions {
  /** The frame stands until it has answered. */
  readonly answer: (frame: Frame) => Promise<Answers>;
  /** Pieces that may be with `answer` at once, default 1; they are written in their order, whichever is answered first. */
  readonly answersAtOnce?: number;
  readonly onRows?: (rows: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Answered {
  /** Undefined when no row kept the contract. */
  readonly columns: Written | undefined;
  readonly rows: number;
  /** Of these, rows that the model could not answer. */
  readonly failed: number;
}

/** Pieces on their way through the model: so many at once, in memory that is used again, written in the order in which they were read. */
export class AnswerLine {
  readonly #session: Session;
  readonly #loader: PieceLoader;
  readonly #options: AnswerLineOptions;
  readonly #asked: { readonly piece: Piece; readonly answers: Promise<Answers> }[] = [];
  #writer: AnswerWriter | undefined;
  #rows = 0;
  #failed = 0;

  constructor(session: Session, loader: PieceLoader, options: AnswerLineOptions) {
    this.#session = session;
    this.#loader = loader;
    this.#options = options;
  }

  /** Takes a full piece. @returns an empty one, when there is room for it. */
  async exchange(piece: Piece): Promise<Piece> {
    this.#ask(piece);
    return this.#asked.length < (this.#options.answersAtOnce ?? 1) ? this.#loader.create() : this.#writeOldest();
  }

  /** Takes the last piece, full or not, and waits for all. */
  async finish(piece: Piece): Promise<Answered> {
    if (piece.filled > 0) this.#ask(piece);
    while (this.#asked.length > 0) await this.#writeOldest();
    this.#writer?.close();
    return { columns: this.#writer?.columns, rows: this.#rows, failed: this.#failed };
  }

  #ask(piece: Piece): void {
    const answers = this.#options.answer(this.#loader.frameOf(piece));
    // Whoever waits for it is told; until then nobody may be waiting.
    answers.catch(() => {});
    this.#asked.push({ piece, answers });
  }

  /** @returns its memory, to be filled again. */
  async #writeOldest(): Promise<Piece> {
    throwIfAborted(this.#options.signal);
    const oldest = this.#asked.shift();
    if (!oldest) throw new Error('Broken invariant: there is a piece to wait for');
    const { piece } = oldest;
    const answers = await oldest.answers;
    this.#writer ??= await AnswerWriter.create(this.#session, answers.columns);
    this.#writer.append(piece.rows.subarray(0, piece.filled), answers);
    this.#options.onRows?.(piece.filled);
    this.#rows += piece.filled;
    for (const each of answers.failed) this.#failed += each;
    piece.filled = 0;
    return piece;
  }
}
