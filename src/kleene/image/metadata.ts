import {
  chmodSync,
  chownSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  utimesSync,
} from "node:fs";

/**
 * What an image keeps of a file besides its content. Extended attributes and access lists are left out on purpose: Node
 * cannot set them, the ones that give rights (security.capability) have no effect in a container that cannot gain
 * privileges, and those of the overlay (trusted.overlay.*) must not come from an image at all.
 */
export interface Metadata {
  /** Permission bits with set-user-id, set-group-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, with fraction. */
  readonly mtime: number;
}

/** Sets what the file descriptor's file has. chown(2) clears set-user-id, so the mode comes after it. */
export function setFileMetadata(fd: number, metadata: Metadata): void {
  fchownSync(fd, metadata.uid, metadata.gid);
  fchmodSync(fd, metadata.mode);
  futimesSync(fd, metadata.mtime, metadata.mtime);
}

/** As setFileMetadata, for a path that is known to be no symbolic link. */
export function setPathMetadata(path: Buffer, metadata: Metadata): void {
  chownSync(path, metadata.uid, metadata.gid);
  chmodSync(path, metadata.mode);
  utimesSync(path, metadata.mtime, metadata.mtime);
}

/** A symbolic link has no mode of its own. */
export function setLinkMetadata(path: Buffer, metadata: Metadata): void {
  lchownSync(path, metadata.uid, metadata.gid);
  lutimesSync(path, metadata.mtime, metadata.mtime);
}
