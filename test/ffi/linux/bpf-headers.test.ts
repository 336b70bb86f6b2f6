import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as abi from "../../../src/ffi/linux/abi/bpf.ts";
import * as btf from "../../../src/ffi/linux/abi/btf.ts";
import { SO_NETNS_COOKIE } from "../../../src/ffi/linux/abi/socket.ts";
import type { Struct } from "../../../src/ffi/struct.ts";
import { needs } from "../../support/gate.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const structs = Object.values<unknown>({ ...abi, ...btf }).filter(
  (value): value is Struct => typeof value === "object" && value !== null && "cName" in value,
);
const constants: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.entries<unknown>({ ...abi, ...btf }).filter(([, value]) => typeof value === "number")),
  SO_NETNS_COOKIE,
  SYS_bpf: abi.SYS_bpf[process.arch] ?? -1,
};

/** Offset and size of each field, without the struct's own size: of a union and of growing structs a part is declared. */
const fields = structs.flatMap(({ cName, fields }) =>
  Object.entries(fields).map(([field, [offset, type]]) => ({ cName, field, offset, size: type.size })),
);

const helpers = Object.keys(constants).filter((name) => name.startsWith("BPF_FUNC_"));

test("constants and fields are those of this machine's headers", needs("cc"), () => {
  using directory = temporaryDirectory();
  const source = join(directory.path, "probe.c");
  const program = join(directory.path, "probe");
  const lines = [
    ...Object.keys(constants).map((name) => `printf("${name} %lld\\n", (long long)${name});`),
    ...fields.map(
      ({ cName, field }) =>
        `printf("${cName} ${field} %zu %zu\\n", offsetof(${cName}, ${field}), sizeof(((${cName} *)0)->${field}));`,
    ),
  ];
  const headers = ["linux/bpf.h", "linux/btf.h", "sys/socket.h", "sys/syscall.h", "stddef.h", "stdio.h"];
  const includes = headers.map((header) => `#include <${header}>`).join("\n");
  // Type names in the first use of offsetof must be complete: all of these come from the headers.
  writeFileSync(source, `${includes}\nint main(void) {\n${lines.join("\n")}\nreturn 0;\n}\n`);
  execFileSync("cc", ["-std=gnu11", "-Wall", "-o", program, source]);
  const printed = execFileSync(program, { encoding: "utf8" }).trimEnd().split("\n");
  assert.deepEqual(printed, [
    ...Object.entries(constants).map(([name, value]) => `${name} ${value}`),
    ...fields.map(({ cName, field, offset, size }) => `${cName} ${field} ${offset} ${size}`),
  ]);
  assert.ok(fields.length > 60 && helpers.length === 12, "all of them were asked for");
});
