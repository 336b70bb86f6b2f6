import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errnoTable } from "../../src/ffi/linux/abi/errno.ts";
import * as fileAbi from "../../src/ffi/linux/abi/file.ts";
import * as mounts from "../../src/ffi/linux/abi/mount.ts";
import * as namespaces from "../../src/ffi/linux/abi/namespace.ts";
import * as netfilter from "../../src/ffi/linux/abi/netfilter.ts";
import * as netlink from "../../src/ffi/linux/abi/netlink.ts";
import * as pidfd from "../../src/ffi/linux/abi/pidfd.ts";
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
  "sys/syscall.h",
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

function structsOf(module: object): Struct[] {
  return Object.values(module).filter((value): value is Struct => typeof value === "object" && "cName" in value);
}

const modules = [pidfd, netlink, rtnetlink, netfilter, sockDiag, socketAbi, fileAbi, namespaces, mounts];
const structs = modules.flatMap(structsOf);
const constants = new Map(
  modules
    .flatMap((module) => Object.entries<unknown>({ ...module }))
    .filter((entry): entry is [string, number] => typeof entry[1] === "number")
    // Those no public header has: net/netfilter/nf_internals.h.
    .filter(([name]) => !name.startsWith("CTA_FILTER_F_")),
);

/** What the declarations say, in the lines that the probe prints. */
function declared(): string[] {
  return [
    ...[...constants].map(([name, value]) => `${name} ${value}`),
    ...structs.flatMap(({ cName, size, fields }) => [
      `sizeof ${cName} ${size}`,
      ...Object.entries(fields).map(([field, [offset, type]]) => `${cName}.${field} ${offset} ${type.size}`),
    ]),
    ...Object.entries(errnoTable).map(([errno, [code, text]]) => `${code} ${errno} ${text}`),
  ];
}

function probe(): string {
  const lines = [
    ...[...constants.keys()].map((name) => `printf("${name} %lld\\n", (long long)${name});`),
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
