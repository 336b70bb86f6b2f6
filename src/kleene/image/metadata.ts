import { chmodSync, chownSync, lchownSync } from "node:fs";
import type { Files } from "../host/files.ts";
import type { LeftOut } from "./left-out.ts";

/** What an image keeps of a file besides its content. */
export interface Metadata {
  /** Permission bits with set-user-id, set-group-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970; before that it is negative. */
  readonly mtime: bigint;
  /** Extended attributes by name, as Files has them. */
  readonly attributes: ReadonlyMap<string, Buffer>;
}

/** Whom an image's files are made for: the host's calls, and the list of what it does not keep. */
export interface Making {
  readonly files: Files;
  readonly leftOut: LeftOut;
}

/**
 * Sets what a file or directory has, by a path that is known to be no symbolic link. chown(2) clears set-user-id and
 * capabilities, so all else comes after it; an access list sets the mode's bits for the group, as the mode has them.
 */
export function setMetadata({ files, leftOut }: Making, path: Buffer, metadata: Metadata, what: string): void {
  chownSync(path, metadata.uid, metadata.gid);
  chmodSync(path, metadata.mode);
  for (const [name, value] of metadata.attributes)
    if (!files.keepsAttribute(name) || !files.setAttribute(path, name, value)) leftOut.addAttribute(name, what);
  files.setTime(path, metadata.mtime);
}

/** A symbolic link has no mode of its own, and no attributes that are kept. */
export function setLinkMetadata({ files }: Making, path: Buffer, metadata: Metadata): void {
  lchownSync(path, metadata.uid, metadata.gid);
  files.setTime(path, metadata.mtime);
}
