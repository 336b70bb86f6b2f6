import { closeSync, constants, fstatSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { isatty, WriteStream } from "node:tty";
import type { WindowSize } from "../../kleene/model.ts";
import { during } from "../timeline.ts";

/** The three standard descriptors. */
export interface Streams {
  /** Writes all of it. A reader that went away is no error: what is written is dropped. */
  write(fd: 1 | 2, output: string | Buffer): void;
  /** Has a write found that nobody reads any more? */
  isUnread(fd: 1 | 2): boolean;
  isTerminal(fd: 0 | 1 | 2): boolean;
  /** One line of standard input without its line feed; undefined at the end of input. */
  readLine(): string | undefined;
  /** Of the controlling terminal; undefined when there is none. */
  windowSize(): WindowSize | undefined;
}

/**
 * Standard input and output as plain descriptors. Node's own stream objects for them make pipes non-blocking, and that
 * flag belongs to the open file, which the container's command shares: its writes would fail with EAGAIN.
 */
export const systemStreams: Streams = {
  write(fd, output) {
    if (!closed.has(fd)) during("print", () => writeAll(fd, Buffer.from(output)));
  },
  isUnread: (fd) => closed.has(fd),
  // Node's terminals take 3 ms to load, and what can be none is known without them.
  isTerminal: (fd) => mayBeTerminal(fd) && isatty(fd),
  readLine() {
    return readLineFrom(0);
  },
  windowSize() {
    return controllingWindowSize();
  },
};

/** Is it a character device, and not /dev/null? */
function mayBeTerminal(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isCharacterDevice() && stats.rdev !== statSync("/dev/null").rdev;
  } catch {
    return false;
  }
}

/** Descriptors whose reader went away. */
const closed = new Set<number>();

/** Longest pause before a descriptor that another program made non-blocking is tried again, in milliseconds. */
const longestPauseMs = 50;

function writeAll(fd: number, bytes: Buffer): void {
  let pauseMs = 1;
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset);
      pauseMs = 1;
    } catch (error) {
      switch (codeOf(error)) {
        case "EAGAIN":
          pause(pauseMs);
          pauseMs = Math.min(pauseMs * 2, longestPauseMs);
          break;
        case "EINTR":
          break;
        // EPIPE: nobody reads any more. EBADF: started with the descriptor closed. EIO: the terminal has hung up.
        case "EPIPE":
        case "EBADF":
        case "EIO":
          closed.add(fd);
          return;
        default:
          throw error;
      }
    }
  }
}

function readLineFrom(fd: number): string | undefined {
  const bytes: number[] = [];
  // One byte at a time: what follows the line belongs to whoever reads the descriptor next.
  const byte = Buffer.alloc(1);
  let pauseMs = 1;
  for (;;) {
    try {
      if (readSync(fd, byte) === 0) break;
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
      pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      continue;
    }
    if (byte[0] === 0x0a) return Buffer.from(bytes).toString();
    bytes.push(byte.readUInt8(0));
  }
  return bytes.length === 0 ? undefined : Buffer.from(bytes).toString();
}

/** Asks the terminal through a descriptor of our own, so that 0, 1 and 2 stay as they are. */
function controllingWindowSize(): WindowSize | undefined {
  let fd: number;
  try {
    fd = openSync("/dev/tty", constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
  let terminal: WriteStream;
  try {
    terminal = new WriteStream(fd);
  } catch {
    closeSync(fd);
    return undefined;
  }
  const [columns, rows] = terminal.getWindowSize();
  terminal.destroy();
  return columns > 0 && rows > 0 ? { rows, columns } : undefined;
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
