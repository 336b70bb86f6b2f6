import { readFileSync } from "node:fs";
import { SyscallError } from "../../../../ffi/errno.ts";
import { Assembler, helpers, linkIds, loadProgram } from "../../../../ffi/linux/bpf/index.ts";
import { cgroupMounts, cgroupRoot } from "../../../../ffi/linux/cgroup.ts";
import { KleeError } from "../../../errors.ts";

/** What bpf(2) and cgroups ask for, by bit number, capabilities(7). */
const capabilities = { NET_ADMIN: 12, SYS_ADMIN: 21, BPF: 39 } as const;

/**
 * Mount point of the cgroup2 hierarchy, its root.
 *
 * @throws {KleeError} UNSUPPORTED when it is not mounted, or only a part of it.
 */
export function findCgroupRoot(): string {
  const root = cgroupRoot();
  if (root !== undefined) return root;
  const [part] = cgroupMounts();
  throw new KleeError(
    "UNSUPPORTED",
    part === undefined
      ? "cgroup2 is not mounted; mount it: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"
      : `cgroup2 at ${part.path} is not the root of the hierarchy: klee must run in the host's cgroup namespace`,
  );
}

/**
 * Checks that the kernel takes the confinement's programs from this process.
 *
 * @throws {KleeError} PERMISSION or UNSUPPORTED, with the remedy.
 */
export function checkKernel(): void {
  requirePermission();
  refused(
    () => new Assembler().set(0, 1).exit(),
    "this kernel has no BPF programs for cgroups: it needs CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF",
  );
  refused(
    () => new Assembler().set(1, 0).call(helpers.setReturnValue).set(0, 1).exit(),
    "this kernel is older than Linux 5.18: its BPF programs cannot choose an error number",
  );
}

function requirePermission(): void {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
  );
  const missing = Object.entries(capabilities)
    .filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n)
    .map(([name]) => `CAP_${name}`);
  if (missing.length > 0) throw new KleeError("PERMISSION", `klee must run as root with ${missing.join(", ")}`);
}

function refused(program: () => Assembler, message: string): void {
  try {
    loadProgram({ name: "klee_check", hook: "bind4", instructions: program().assemble() }).close();
    linkIds().next();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === "EPERM")
      throw new KleeError(
        "PERMISSION",
        "bpf(2) is refused: klee must run as root of the host, not of a user namespace",
        {
          cause: error,
        },
      );
    if (error.code === "EINVAL" || error.code === "ENOSYS")
      throw new KleeError("UNSUPPORTED", message, { cause: error });
    throw error;
  }
}
