import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";

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
  | "mandoc"
  | "unix hooks";

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

/** Can BPF programs of a cgroup see the addresses that unix sockets are to reach? */
export function hasUnixHooks(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return (major > 6 || (major === 6 && minor >= 7)) && existsSync("/sys/kernel/btf/vmlinux");
}

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
    case "unix hooks":
      return hasUnixHooks() ? undefined : "no Linux 6.7 with CONFIG_DEBUG_INFO_BTF";
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
