const open = new Set<OwnedFd>();

/** A file descriptor that one owner closes, once. Use with `using`. Each system's `Fd` closes it by its own libc. */
export abstract class OwnedFd implements Disposable {
  readonly number: number;
  /** What it is open on, for errors and the list of leaks. */
  readonly object: string;

  /** @param number an open descriptor; this object owns it from here on. */
  constructor(number: number, object: string) {
    this.number = number;
    this.object = object;
    open.add(this);
  }

  /** Makes the call, close(2). */
  protected abstract closeNumber(): void;

  /** Closes it; a second time does nothing. */
  close(): void {
    if (open.delete(this)) this.closeNumber();
  }

  /** Gives up ownership without closing: the caller owns the number now. */
  release(): number {
    open.delete(this);
    return this.number;
  }

  /** Does what is left to do before the descriptor is of use, and closes it if that fails. @returns itself. */
  prepared(prepare: (fd: this) => void): this {
    try {
      prepare(this);
      return this;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Closes it; once more does nothing. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** What the descriptors are open on that nobody has closed yet: a test's check for leaks. */
export function openDescriptors(): string[] {
  return [...open].map((fd) => fd.object);
}
