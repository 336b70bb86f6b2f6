// What this process may do, and how it may do more.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** linux/capability.h */
const CAP_SYS_ADMIN = 21n;

/**
 * Can this process make namespaces and mounts? Root in a container often cannot.
 *
 * @returns {boolean}
 */
export function isPrivileged() {
  if (process.geteuid?.() !== 0 || !existsSync("/proc/self/status")) return false;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

/**
 * The beginning of a command that runs the rest of it as root of a user namespace of its own, which makes mounts and
 * networks, but no cgroups. Many systems let everybody have one; containers seldom do.
 *
 * @returns {string[] | undefined} undefined where there is none to be had.
 */
export function asNamespaceRoot() {
  const command = ["unshare", "--user", "--map-root-user", "--mount"];
  const [program, ...args] = command;
  return spawnSync(program, [...args, "true"], { stdio: "ignore" }).status === 0 ? command : undefined;
}
