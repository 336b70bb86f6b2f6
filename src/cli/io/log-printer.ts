import type { LogRecord } from "../../kleene/model.ts";
import type { Session } from "../session.ts";

const NEWLINE = 0x0a;

/** Prints what a container wrote: to standard output and error, as it did. */
export class LogPrinter {
  readonly #session: Session;
  readonly #timestamps: boolean;
  /** Is a line begun on this descriptor? */
  readonly #begun = { 1: false, 2: false };

  /** @param timestamps print each line's time before it, ISO 8601 with microseconds, UTC. */
  constructor(session: Session, { timestamps = false }: { readonly timestamps?: boolean } = {}) {
    this.#session = session;
    this.#timestamps = timestamps;
  }

  /** @returns false when nobody reads it any more. */
  print({ stream, time, bytes }: LogRecord): boolean {
    const { streams } = this.#session.context;
    if (stream === "note") {
      this.#session.report(bytes.toString());
      return true;
    }
    const fd = stream === "stdout" ? 1 : 2;
    streams.write(fd, this.#timestamps ? this.#dated(fd, time, bytes) : bytes);
    return !streams.isUnread(fd);
  }

  #dated(fd: 1 | 2, time: number, bytes: Buffer): Buffer {
    const prefix = Buffer.from(`${isoTime(time)} `);
    const pieces: Buffer[] = [];
    for (let offset = 0; offset < bytes.length; ) {
      if (!this.#begun[fd]) pieces.push(prefix);
      const newline = bytes.indexOf(NEWLINE, offset);
      this.#begun[fd] = newline < 0;
      const end = newline < 0 ? bytes.length : newline + 1;
      pieces.push(bytes.subarray(offset, end));
      offset = end;
    }
    return Buffer.concat(pieces);
  }
}

/** Of Unix time in microseconds. */
function isoTime(time: number): string {
  const micros = String(time % 1_000_000).padStart(6, "0");
  return `${new Date(Math.floor(time / 1000)).toISOString().slice(0, -5)}.${micros}Z`;
}
