import type { FileKind } from "../host/files.ts";

/** Names of attributes that a line shows. */
const SHOWN_ATTRIBUTES = 4;

/** Something counted, with the first one for an example. */
class Some {
  #count = 0;
  #first = "";

  add(what: string): void {
    if (this.#count++ === 0) this.#first = what;
  }

  /** `3 sockets ("run/p" and others)`; undefined for none. */
  words(one: string, several: string): string | undefined {
    if (this.#count === 0) return undefined;
    return this.#count === 1 ? `${one} (${this.#first})` : `${this.#count} ${several} (${this.#first} and others)`;
  }
}

/** What of its source an image does not have: counted, and told in one line for each kind. */
export class LeftOut {
  readonly #devices = new Some();
  readonly #ends = new Some();
  readonly #kernels = new Some();
  readonly #attributed = new Some();
  readonly #attributes = new Set<string>();

  /** A device node, a FIFO or a socket. */
  addFile(kind: FileKind, what: string): void {
    (kind === "device" ? this.#devices : this.#ends).add(what);
  }

  /** A directory whose files the kernel shows. */
  addKernels(what: string): void {
    this.#kernels.add(what);
  }

  addAttribute(name: string, what: string): void {
    if (!this.#attributes.has(name) && this.#attributes.size <= SHOWN_ATTRIBUTES) this.#attributes.add(name);
    this.#attributed.add(what);
  }

  /** One line for each kind of thing. */
  lines(): string[] {
    const names = [...this.#attributes].map((name) => JSON.stringify(name));
    const shown = [...names.slice(0, SHOWN_ATTRIBUTES), ...(names.length > SHOWN_ATTRIBUTES ? ["others"] : [])];
    const attributed = this.#attributed.words("an extended attribute", "extended attributes");
    return [
      this.#devices.words("a device node", "device nodes"),
      this.#ends.words("a socket or FIFO", "sockets and FIFOs"),
      this.#kernels.words("the kernel's files below a directory", "directories of the kernel's files"),
      attributed === undefined ? undefined : `${attributed}: ${shown.join(", ")}`,
    ].flatMap((line) => (line === undefined ? [] : [`left out of the image: ${line}`]));
  }
}
