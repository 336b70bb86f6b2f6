import { constants as clone } from "../../src/ffi/linux/abi/namespace.ts";
import { call, libc } from "../../src/ffi/linux/libc.ts";
import { mount } from "../../src/ffi/linux/mount.ts";

/**
 * Moves this process's main thread, and all it starts, into a network namespace of its own, which goes with the process.
 * node:test runs each file in a process of its own.
 */
export function enterNetworkNamespace(): void {
  call("unshare", "network namespace", () => libc.unshare(clone.CLONE_NEWNET));
}

/** The same for mounts; nothing mounted from here on is seen outside. */
export function enterMountNamespace(): void {
  call("unshare", "mount namespace", () => libc.unshare(clone.CLONE_NEWNS));
  mount({ source: "none", target: "/", flags: ["recursive", "private"] });
}
