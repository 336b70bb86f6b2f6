/** The archive ended where more was to come. */
export class EndOfArchive extends Error {
  override readonly name = "EndOfArchive";
}

/** Reads a stream of bytes piece by piece. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #current: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** At most so many bytes, as they come; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#current.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#current = value;
    }
    const taken = this.#current.subarray(0, most);
    this.#current = this.#current.subarray(taken.length);
    return taken;
  }

  /** As many bytes as asked for, fewer at the end. */
  async upTo(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      const part = await this.some(missing);
      if (part === undefined) break;
      parts.push(part);
      missing -= part.length;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  /** @throws {EndOfArchive} when there are not so many. */
  async exactly(length: number): Promise<Buffer> {
    const bytes = await this.upTo(length);
    if (bytes.length < length) throw new EndOfArchive();
    return bytes;
  }

  /** The next bytes, as they come. @throws {EndOfArchive} when there are not so many. */
  async *next(length: number): AsyncGenerator<Buffer> {
    for (let missing = length; missing > 0; ) {
      const part = await this.some(missing);
      if (part === undefined) throw new EndOfArchive();
      missing -= part.length;
      yield part;
    }
  }
}
