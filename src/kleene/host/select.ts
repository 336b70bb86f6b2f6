import { addRemedyHook } from "../../ffi/errno.ts";
import { KleeError } from "../errors.ts";
import type { Host } from "./host.ts";

addRemedyHook((call, code) => {
  if (code === "EMFILE") return "raise the limit of open files, ulimit -n";
  if (["pthread_create", "posix_spawn", "fork"].includes(call) && code === "EAGAIN")
    return "a limit of processes or threads is reached";
  return undefined;
});

/**
 * The kernel that klee works on: this one. KLEE_HOST names another for tests.
 * @throws {KleeError} UNSUPPORTED on any other operating system.
 */
export async function selectHost(root: string | undefined): Promise<Host> {
  const name = process.env.KLEE_HOST ?? process.platform;
  switch (name) {
    case "linux":
      return new (await import("./linux/host.ts")).LinuxHost(root);
    case "freebsd":
      return new (await import("./freebsd/host.ts")).FreebsdHost(root);
    default:
      throw new KleeError("UNSUPPORTED", `klee has no host for ${name}; it runs on FreeBSD and Linux`);
  }
}
