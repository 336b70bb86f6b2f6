import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { before as beforeTests } from "node:test";
import { isPrivileged } from "../../scripts/privileges.mjs";

/** Something a privileged test needs of the machine. */
export type Need =
  | "root"
  | "host"
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

/** With CI set, what cannot run has failed. */
export const demandsAll = !["", "0", "false"].includes(process.env.CI ?? "");

/** The first line of a user namespace's table that has all users is the only one of the first such namespace. */
const isFirstUserNamespace = () => /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));

function whyNoCgroups(): string | undefined {
  const mount = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2")?.[1];
  if (mount === undefined) return "no cgroup2 mount";
  if (!isFirstUserNamespace()) return "no BPF programs for cgroups in a user namespace";
  try {
    accessSync(mount, constants.W_OK);
    return undefined;
  } catch {
    return "cgroup2 is not to be written to";
  }
}

function missing(need: Need): string | undefined {
  switch (need) {
    case "root":
      if (process.geteuid?.() !== 0) return "not root";
      return isPrivileged() ? undefined : "no CAP_SYS_ADMIN";
    case "host":
      return isFirstUserNamespace() ? undefined : "root of a user namespace is not the host's";
    case "cgroup2":
      return whyNoCgroups();
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

/** What of these the machine has not, in words. */
export function lacking(...wanted: readonly Need[]): string[] {
  return wanted.map(missing).filter((reason) => reason !== undefined);
}

/** Something that this file's tests need was found missing. */
let isLacking = false;

/** Prepares what the tests of a file share; not where they cannot run. */
export function before(work: () => void | Promise<void>): void {
  beforeTests(() => (isLacking ? undefined : work()));
}

/** Options for a test that needs privileges or programs. Where one is missing it is skipped and counted; with CI set it fails. */
export function needs(...wanted: readonly Need[]): { skip: string | false } {
  const [reason] = lacking(...wanted);
  if (reason === undefined) return { skip: false };
  if (demandsAll) throw new Error(`this test cannot run here: ${lacking(...wanted).join(", ")}`);
  isLacking = true;
  return { skip: reason };
}
