import { call, libc } from "./libc.ts";

const open = new Set<Fd>();

/** A file descriptor that one owner closes, once. Use with `using`. */
export class Fd implements Disposable {
  readonly number: number;
  /** What it is open on, for errors and the list of leaks. */
  readonly object: string;

  /** @param number an open descriptor; this object owns it from here on. */
  constructor(number: number, object: string) {
    this.number = number;
    this.object = object;
    open.add(this);
  }

  /** Closes it, close(2); a second time does nothing. */
  close(): void {
    if (open.delete(this)) call("close", this.object, () => libc.close(this.number));
  }

  /** Gives up ownership without closing: the caller owns the number now. */
  release(): number {
    open.delete(this);
    return this.number;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What the descriptors are open on that nobody has closed yet: a test's check for leaks. */
export function openDescriptors(): string[] {
  return [...open].map((fd) => fd.object);
}
