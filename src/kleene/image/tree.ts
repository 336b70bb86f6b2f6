import { constants, linkSync, mkdirSync, openSync, symlinkSync, unlinkSync } from "node:fs";
import { checkLinkTarget } from "./entry-path.ts";
import { type Making, type Metadata, setLinkMetadata, setMetadata } from "./metadata.ts";
import { naming, quoted, Refusal } from "./refusal.ts";

/** A file's kind, as far as it decides what may follow in the archive; a symbolic link is its target. */
type Node = "directory" | "file" | "left out" | { readonly target: string };

/**
 * A new file tree, filled entry by entry. It remembers what it made, and nothing else can be in it, since nobody but
 * root reaches it: so a parent is known to be a real directory before anything is made in it, and no symbolic link is
 * ever followed. Paths come from entryPath.
 */
export class Tree {
  readonly #root: string;
  readonly #making: Making;
  readonly #nodes = new Map<string, Node>([["", "directory"]]);
  readonly #directories = new Map<string, Metadata>();

  /** @param root an empty directory that only root can reach. */
  constructor(root: string, making: Making) {
    this.#making = making;
    this.#root = Buffer.from(root).toString("latin1");
  }

  /** Makes a directory, or takes over the metadata for one that is there. They are set in `finish`. */
  addDirectory(path: string, metadata: Metadata, what: string): void {
    const node = this.#nodes.get(path);
    if (node === undefined || node === "left out") this.#makeDirectory(path, what);
    else if (node !== "directory") throw repeated(what);
    this.#directories.set(path, metadata);
  }

  /** Makes an empty file that only root can read, in place of an earlier one, and opens it for writing. */
  openFile(path: string, what: string): number {
    this.#replace(path, "file", what);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const fd = naming(what, () => openSync(this.#absolute(path), flags, 0o600));
    this.#nodes.set(path, "file");
    return fd;
  }

  /** Sets what a file has, once its content is written. */
  finishFile(path: string, metadata: Metadata, what: string): void {
    naming(what, () => setMetadata(this.#making, this.#absolute(path), metadata, quoted(path)));
  }

  /** Notes something that the image does not have. False when it is known already. */
  leaveOut(path: string, what: string): boolean {
    const node = this.#nodes.get(path);
    if (node !== undefined && node !== "left out") throw repeated(what);
    this.#nodes.set(path, "left out");
    return node === undefined;
  }

  addSymbolicLink(path: string, target: string, metadata: Metadata, what: string): void {
    checkLinkTarget(target, what);
    this.#replace(path, "link", what);
    const place = this.#absolute(path);
    naming(what, () => {
      symlinkSync(Buffer.from(target, "latin1"), place);
      setLinkMetadata(this.#making, place, metadata);
    });
    this.#nodes.set(path, { target });
  }

  /** Gives an earlier file a further name. A second name of a symbolic link becomes a link of its own with the same target. */
  addHardLink(path: string, existing: string, metadata: Metadata, what: string): void {
    const node = this.#nodes.get(existing);
    if (node === undefined || existing === path)
      throw new Refusal(`${what} is a hard link to ${quoted(existing)}, which is not in the archive before it`);
    if (node === "directory") throw new Refusal(`${what} is a hard link to a directory`);
    if (node === "left out") {
      this.leaveOut(path, what);
      return;
    }
    if (typeof node === "object") {
      this.addSymbolicLink(path, node.target, metadata, what);
      return;
    }
    this.#replace(path, "file", what);
    naming(what, () => linkSync(this.#absolute(existing), this.#absolute(path)));
    this.#nodes.set(path, "file");
  }

  /** Sets the directories' metadata, which filling them would have changed. */
  finish(): void {
    for (const [path, metadata] of this.#directories) {
      const what = `directory ${quoted(path)}`;
      naming(what, () => setMetadata(this.#making, this.#absolute(path), metadata, quoted(path || ".")));
    }
  }

  /** Makes room for a new entry: its parents exist, and an earlier entry of the same kind is gone. */
  #replace(path: string, kind: "file" | "link", what: string): void {
    const node = this.#nodes.get(path);
    if (node === undefined || node === "left out") {
      this.#makeParent(path, what);
      return;
    }
    if (node === "directory" || (node === "file") !== (kind === "file")) throw repeated(what);
    naming(what, () => unlinkSync(this.#absolute(path)));
    this.#nodes.delete(path);
  }

  #makeParent(path: string, what: string): void {
    const slash = path.lastIndexOf("/");
    if (slash === -1) return;
    const parent = path.slice(0, slash);
    const node = this.#nodes.get(parent);
    if (node === undefined) {
      this.#makeDirectory(parent, what);
      this.#directories.set(parent, {
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: BigInt(Date.now()) * 1_000_000n,
        attributes: new Map(),
      });
    } else if (node === "file" || node === "left out")
      throw new Refusal(`${what} lies below ${quoted(parent)}, which is ${node === "file" ? "a file" : "left out"}`);
    else if (node !== "directory")
      throw new Refusal(`${what} leads through ${quoted(parent)}, which is a symbolic link of the archive`);
  }

  #makeDirectory(path: string, what: string): void {
    this.#makeParent(path, what);
    naming(what, () => mkdirSync(this.#absolute(path), 0o700));
    this.#nodes.set(path, "directory");
  }

  #absolute(path: string): Buffer {
    return Buffer.from(`${this.#root}/${path}`, "latin1");
  }
}

const repeated = (what: string): Refusal => new Refusal(`${what} appears twice, as different kinds of file`);
