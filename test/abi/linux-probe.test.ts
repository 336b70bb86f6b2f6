import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errnoTable } from "../../src/ffi/linux/abi/errno.ts";
import * as fileAbi from "../../src/ffi/linux/abi/file.ts";
import { fileSystemMagics, mountFlags, unmountFlags } from "../../src/ffi/linux/abi/mount.ts";
import { constants as namespaces } from "../../src/ffi/linux/abi/namespace.ts";
import * as netfilter from "../../src/ffi/linux/abi/netfilter.ts";
import * as netlink from "../../src/ffi/linux/abi/netlink.ts";
import * as rtnetlink from "../../src/ffi/linux/abi/rtnetlink.ts";
import * as sockDiag from "../../src/ffi/linux/abi/sock-diag.ts";
import * as socketAbi from "../../src/ffi/linux/abi/socket.ts";
import type { Struct } from "../../src/ffi/struct.ts";
import { needs } from "../support/gate.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const headers = [
  "errno.h",
  "fcntl.h",
  "sched.h",
  "stddef.h",
  "stdio.h",
  "string.h",
  "sys/file.h",
  "sys/mman.h",
  "sys/mount.h",
  "sys/socket.h",
  "netinet/in.h",
  "netinet/tcp.h",
  "linux/if.h",
  "linux/filter.h",
  "linux/if_addr.h",
  "linux/if_arp.h",
  "linux/if_ether.h",
  "linux/if_link.h",
  "linux/if_packet.h",
  "linux/magic.h",
  "linux/neighbour.h",
  "linux/netfilter.h",
  "linux/netfilter/nf_tables.h",
  "linux/netfilter/nf_conntrack_common.h",
  "linux/netfilter/nfnetlink.h",
  "linux/netfilter/nfnetlink_conntrack.h",
  "linux/netlink.h",
  "linux/rtnetlink.h",
  "linux/inet_diag.h",
  "linux/sock_diag.h",
];

/** C names of what klee's own words stand for. */
const renamed: Readonly<Record<string, number>> = {
  MS_RDONLY: mountFlags.readOnly,
  MS_NOSUID: mountFlags.noSuid,
  MS_NODEV: mountFlags.noDev,
  MS_NOEXEC: mountFlags.noExec,
  MS_REMOUNT: mountFlags.remount,
  MS_NOATIME: mountFlags.noAtime,
  MS_BIND: mountFlags.bind,
  MS_MOVE: mountFlags.move,
  MS_REC: mountFlags.recursive,
  MS_PRIVATE: mountFlags.private,
  MS_SLAVE: mountFlags.slave,
  MS_SHARED: mountFlags.shared,
  MNT_FORCE: unmountFlags.force,
  MNT_DETACH: unmountFlags.detach,
  MNT_EXPIRE: unmountFlags.expire,
  UMOUNT_NOFOLLOW: unmountFlags.noFollow,
  CGROUP2_SUPER_MAGIC: fileSystemMagics.cgroup2,
  OVERLAYFS_SUPER_MAGIC: fileSystemMagics.overlay,
  PROC_SUPER_MAGIC: fileSystemMagics.proc,
  TMPFS_MAGIC: fileSystemMagics.tmpfs,
  BPF_FS_MAGIC: fileSystemMagics.bpf,
  SYSFS_MAGIC: fileSystemMagics.sysfs,
  DEVPTS_SUPER_MAGIC: fileSystemMagics.devpts,
  CGROUP_SUPER_MAGIC: fileSystemMagics.cgroup,
  DEBUGFS_MAGIC: fileSystemMagics.debugfs,
  TRACEFS_MAGIC: fileSystemMagics.tracefs,
  SECURITYFS_MAGIC: fileSystemMagics.securityfs,
  PSTOREFS_MAGIC: fileSystemMagics.pstore,
  EFIVARFS_MAGIC: fileSystemMagics.efivarfs,
  SELINUX_MAGIC: fileSystemMagics.selinuxfs,
  BINFMTFS_MAGIC: fileSystemMagics.binfmt_misc,
};

function structsOf(module: object): Struct[] {
  return Object.values(module).filter((value): value is Struct => "cName" in value);
}

const structs = [
  ...structsOf(netlink),
  ...structsOf(rtnetlink),
  ...structsOf(netfilter),
  ...structsOf(sockDiag),
  ...structsOf(socketAbi),
  ...structsOf(fileAbi),
];
const constants: Readonly<Record<string, number>> = {
  ...netlink.constants,
  ...rtnetlink.constants,
  ...netfilter.constants,
  ...sockDiag.constants,
  ...socketAbi.constants,
  ...fileAbi.constants,
  ...namespaces,
  ...renamed,
};

/** What the declarations say, in the lines that the probe prints. */
function declared(): string[] {
  return [
    ...Object.entries(constants).map(([name, value]) => `${name} ${value}`),
    ...structs.flatMap(({ cName, size, fields }) => [
      `sizeof ${cName} ${size}`,
      ...Object.entries(fields).map(([field, [offset, type]]) => `${cName}.${field} ${offset} ${type.size}`),
    ]),
    ...Object.entries(errnoTable).map(([errno, [code, text]]) => `${code} ${errno} ${text}`),
  ];
}

function probe(): string {
  const lines = [
    ...Object.keys(constants).map((name) => `printf("${name} %lld\\n", (long long)${name});`),
    ...structs.flatMap(({ cName, fields }) => [
      `printf("sizeof ${cName} %zu\\n", sizeof(${cName}));`,
      ...Object.keys(fields).map(
        (field) =>
          `printf("${cName}.${field} %zu %zu\\n", offsetof(${cName}, ${field}), sizeof(((${cName} *)0)->${field}));`,
      ),
    ]),
    ...Object.values(errnoTable).map(([code]) => `printf("${code} %d %s\\n", ${code}, strerror(${code}));`),
  ];
  const includes = headers.map((header) => `#include <${header}>`);
  return `#define _GNU_SOURCE\n${includes.join("\n")}\nint main(void) {\n${lines.join("\n")}\nreturn 0;\n}\n`;
}

test("structs, constants and errors are those of this machine's headers", needs("cc"), () => {
  using directory = temporaryDirectory();
  const source = join(directory.path, "probe.c");
  const program = join(directory.path, "probe");
  writeFileSync(source, probe());
  execFileSync("cc", ["-std=c11", "-Wall", "-o", program, source]);
  const printed = execFileSync(program, { encoding: "utf8" }).trimEnd().split("\n");
  assert.ok(printed.length > 200, `the probe printed ${printed.length} lines`);
  assert.deepEqual(printed, declared());
});

test("every word for a mount flag or a file system is checked under its C name", () => {
  const words = [mountFlags, unmountFlags, fileSystemMagics].flatMap((group) => Object.values<number>(group));
  assert.deepEqual(Object.values(renamed), words);
});
