import { isPrivileged } from "../../scripts/privileges.mjs";
import { CLONE_NEWNET, CLONE_NEWNS } from "../../src/ffi/linux/abi/namespace.ts";
import { mount } from "../../src/ffi/linux/mount.ts";
import { unshare } from "../../src/ffi/linux/network-namespace.ts";
import { demandsAll } from "./gate.ts";

/** Where it cannot be done all tests that rely on it are skipped: gate.ts. */
const isSkipped = !demandsAll && !isPrivileged();

/**
 * Moves this process's main thread, and all it starts, into a network namespace of its own, which goes with the process.
 * node:test runs each file in a process of its own.
 */
export function enterNetworkNamespace(): void {
  if (isSkipped) return;
  unshare(CLONE_NEWNET, "network namespace");
}

/** The same for mounts; nothing mounted from here on is seen outside. */
export function enterMountNamespace(): void {
  if (isSkipped) return;
  unshare(CLONE_NEWNS, "mount namespace");
  mount({ source: "none", target: "/", flags: ["recursive", "private"] });
}
