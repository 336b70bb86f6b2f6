import { existsSync, readFileSync } from "node:fs";

/** Something a privileged test needs of the machine. */
export type Need =
  | "root"
  | "cgroup2"
  | "overlay"
  | "libnftables"
  | "strace"
  | "nft"
  | "busybox"
  | "cc"
  | "ip"
  | "bsdtar"
  | "setcap"
  | "dot"
  | "xmllint"
  | "mandoc";

const programs: Partial<Record<Need, readonly string[]>> = {
  strace: ["/usr/bin/strace"],
  nft: ["/usr/sbin/nft", "/sbin/nft"],
  busybox: ["/usr/bin/busybox", "/bin/busybox"],
  cc: ["/usr/bin/cc", "/usr/local/bin/cc"],
  bsdtar: ["/usr/bin/bsdtar"],
  setcap: ["/usr/sbin/setcap", "/sbin/setcap"],
  dot: ["/usr/bin/dot"],
  xmllint: ["/usr/bin/xmllint"],
  mandoc: ["/usr/bin/mandoc"],
  ip: ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"],
};

function missing(need: Need): string | undefined {
  switch (need) {
    case "root":
      return process.geteuid?.() === 0 ? undefined : "not root";
    case "cgroup2":
      return / cgroup2 /.test(readFileSync("/proc/self/mounts", "utf8")) ? undefined : "no cgroup2 mount";
    case "overlay":
      return /\boverlay\b/.test(readFileSync("/proc/filesystems", "utf8")) ? undefined : "no overlayfs";
    case "libnftables": {
      const directories = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"];
      return directories.some((directory) => existsSync(`${directory}/libnftables.so.1`))
        ? undefined
        : "no libnftables.so.1";
    }
    default:
      return programs[need]?.some((path) => existsSync(path)) ? undefined : `no ${need}`;
  }
}

/**
 * Options for a test that needs privileges or programs. Where one is missing the test fails, saying which; only with
 * KLEE_TEST_ALLOW_SKIP=1 it is skipped instead, with the reason in the summary.
 */
export function needs(...wanted: readonly Need[]): { skip: string | false } {
  const reasons = wanted.map(missing).filter((reason) => reason !== undefined);
  if (reasons.length === 0) return { skip: false };
  const reason = `this test cannot run here: ${reasons.join(", ")}`;
  if (process.env.KLEE_TEST_ALLOW_SKIP === "1") return { skip: reason };
  throw new Error(`${reason} (KLEE_TEST_ALLOW_SKIP=1 skips it)`);
}
