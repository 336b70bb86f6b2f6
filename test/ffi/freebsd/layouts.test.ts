import assert from "node:assert/strict";
import { test } from "node:test";
import { io, ior, iow, iowr } from "../../../src/ffi/ioc.ts";
import { FieldError } from "../../../src/ffi/struct.ts";
import { readDeclarations } from "./declarations.ts";
import layouts from "./layouts.json" with { type: "json" };

test("every struct, ioctl and constant is as a compiler laid it out for FreeBSD amd64", async (t) => {
  const table: Readonly<Record<string, number>> = {
    ...layouts.offsetsAndSizes,
    ...layouts.ioctls,
    ...layouts.constants,
  };
  const unproven = new Set(layouts.headersOnly);
  const declared = new Map<string, number | bigint>();
  for (const module of await readDeclarations()) {
    // The errno table is compared with sys/errno.h itself, in headers.test.ts.
    if (module.name === "errno.ts") continue;
    for (const { cName, size, fields } of module.structs) {
      declared.set(`${cName}#size`, size);
      for (const [field, [offset, type]] of Object.entries(fields)) {
        declared.set(`${cName}.${field}#off`, offset);
        declared.set(`${cName}.${field}#size`, type.size);
      }
    }
    for (const { cName, request } of module.ioctls) declared.set(cName, request);
    for (const [name, value] of Object.entries(module.constants)) declared.set(name, value);
  }
  const proven = [...declared].filter(([name]) => !unproven.has(name));
  for (const [name, value] of proven) assert.equal(value, table[name], name);
  assert.deepEqual(
    new Set(Object.keys(table)),
    new Set(proven.map(([name]) => name)),
    "each fact of the table is used",
  );
  for (const name of unproven) assert.ok(declared.has(name), `${name} is no longer declared`);
  t.diagnostic(`${proven.length} facts agree with the table, ${unproven.size} are left to headers.test.ts`);
});

test("ioctl numbers are put together as sys/ioccom.h does", () => {
  assert.equal(io("D", 1), 0x20004401);
  assert.equal(ior("t", 104, { size: 8 }), 0x40087468);
  assert.equal(iow("i", 43, { size: 68 }), 0x8044692b);
  assert.equal(iowr("D", 4, { size: 3040 }), 0xcbe04404);
  assert.throws(() => iow("i", 1, { size: 0x2000 }), FieldError);
  assert.throws(() => io("ii", 1), FieldError);
});
