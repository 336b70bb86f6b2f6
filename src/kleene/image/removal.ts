import { type BigIntStats, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { naming, quoted } from "./refusal.ts";

const SEPARATOR = Buffer.from("/");

/**
 * Longest path, in bytes, below which names are still appended. A container can nest directories deeper than any path
 * reaches (PATH_MAX, limits.h: 4096 on Linux, 1024 on FreeBSD); such a part is moved up and removed from there.
 */
const DEEPEST_BYTES = 700;

/**
 * Removes a directory and all that is in it. Symbolic links are removed, never followed. Nothing happens when there is
 * none. Equivalent to `rm -r --one-file-system`, but a mount below is an error.
 *
 * @throws {Error} naming the first directory that belongs to another file system; what was removed before stays so.
 */
export function removeTree(path: string): void {
  const root = Buffer.from(path);
  const stats = lstatOrNone(root);
  if (stats === undefined) return;
  if (!stats.isDirectory()) throw new Error(`${path} is not a directory`);
  new Removal(root, stats.dev).run();
}

class Removal {
  readonly #root: Buffer;
  readonly #device: bigint;
  readonly #movedUp: Buffer[] = [];
  #moves = 0;

  constructor(root: Buffer, device: bigint) {
    this.#root = root;
    this.#device = device;
  }

  run(): void {
    this.#empty(this.#root);
    for (let path = this.#movedUp.pop(); path !== undefined; path = this.#movedUp.pop()) this.#remove(path);
    rmdirSync(this.#root);
  }

  #remove(directory: Buffer): void {
    this.#empty(directory);
    naming(shown(directory), () => rmdirSync(directory));
  }

  #empty(directory: Buffer): void {
    const what = shown(directory);
    if (naming(what, () => lstatSync(directory, { bigint: true })).dev !== this.#device)
      throw new Error(`${what} belongs to another file system; unmount it first`);
    for (const name of naming(what, () => readdirSync(directory, { encoding: "buffer" }))) {
      const path = at(directory, name);
      if (naming(shown(path), () => unlinkUnlessDirectory(path))) continue;
      if (path.length > DEEPEST_BYTES && directory !== this.#root) this.#moveUp(path);
      else this.#remove(path);
    }
  }

  #moveUp(path: Buffer): void {
    let place: Buffer;
    do place = at(this.#root, Buffer.from(`.moved-${this.#moves++}`));
    while (lstatOrNone(place) !== undefined);
    naming(shown(path), () => renameSync(path, place));
    this.#movedUp.push(place);
  }
}

const shown = (path: Buffer): string => quoted(path.toString("latin1"));

const at = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, SEPARATOR, name]);

/**
 * Not every runtime tells the types of entries whose names are bytes: which one is a directory the kernel says.
 * @returns false for a directory, which stays.
 */
function unlinkUnlessDirectory(path: Buffer): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    // EISDIR on Linux, EPERM on FreeBSD, as for a file that must not be changed.
    if (!lstatOrNone(path)?.isDirectory()) throw error;
    return false;
  }
}

function lstatOrNone(path: Buffer): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
