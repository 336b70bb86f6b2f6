import { spawnSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { findPeer } from "./setup.ts";

/** What the figures depend on. */
export function describeEnvironment(): Record<string, string> {
  const versions = Object.fromEntries(
    [
      ["crun", "--version"],
      ["runc", "--version"],
      ["bwrap", "--version"],
      ["podman", "--version"],
      ["ip", "-V"],
      ["nft", "--version"],
    ].map(([program = "", option = ""]) => [program, versionOf(program, option)]),
  );
  return {
    date: new Date().toISOString().slice(0, 16),
    commit: output("git", "rev-parse", "--short", "HEAD"),
    kernel: release(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    "load before": (loadavg()[0] ?? 0).toFixed(2),
    node: process.version,
    ...versions,
  };
}

/** The version number among what the program prints. */
function versionOf(program: string, option: string): string {
  if (findPeer(program) === undefined) return "not installed";
  return /\d+\.\d+[^\s,)]*/.exec(output(program, option))?.[0] ?? "unknown";
}

function output(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return ((stdout ?? "") || (stderr ?? "")).trim();
}
