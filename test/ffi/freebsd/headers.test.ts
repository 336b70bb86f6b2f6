import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { errnoTable } from "../../../src/ffi/freebsd/abi/errno.ts";
import { demandsAll } from "../../support/gate.ts";
import { type AbiModule, readDeclarations } from "./declarations.ts";

/** Zig ships the headers of one FreeBSD release. */
const releases = [
  { zig: "0.15", freebsd: "14.2" },
  { zig: "0.16", freebsd: "15.0" },
] as const;
const targets = ["x86_64-freebsd", "aarch64-freebsd"] as const;

const directory = mkdtempSync(join(tmpdir(), "klee-headers-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** zig binaries by version: those that KLEE_ZIG lists (colon-separated), of the set-up, and of the python module. */
function findZigs(): Map<string, string> {
  const setup = fileURLToPath(new URL("../../../.setup/", import.meta.url));
  const installed = existsSync(setup) ? readdirSync(setup).map((name) => join(setup, name, "ziglang", "zig")) : [];
  const python = spawnSync("python3", ["-c", "import ziglang; print(ziglang.__path__[0])"], { encoding: "utf8" });
  const candidates = [
    ...(process.env.KLEE_ZIG ?? "").split(":"),
    ...installed,
    ...(python.status === 0 ? [join(python.stdout.trim(), "zig")] : []),
  ].filter((path) => path !== "" && existsSync(path));
  return new Map(
    candidates.reverse().map((path) => {
      const version = execFileSync(path, ["version"], { encoding: "utf8" }).trim();
      return [version.split(".").slice(0, 2).join("."), path];
    }),
  );
}

function assertion(condition: string, name: string): string {
  return `_Static_assert(${condition}, "${name}");`;
}

/** C source that compiles only when all that the module declares is as the headers have it. */
function probe(module: AbiModule): { source: string; assertions: number } {
  const lines: string[] = [];
  for (const { cName, size, fields } of module.structs) {
    lines.push(assertion(`sizeof(${cName}) == ${size}`, `sizeof ${cName}`));
    for (const [field, [offset, type]] of Object.entries(fields)) {
      lines.push(assertion(`offsetof(${cName}, ${field}) == ${offset}`, `${cName}.${field} offset`));
      lines.push(assertion(`sizeof(((${cName} *)0)->${field}) == ${type.size}`, `${cName}.${field} size`));
    }
  }
  for (const { cName, request } of module.ioctls) lines.push(assertion(`${cName} == ${request}UL`, cName));
  for (const [name, value] of Object.entries(module.constants)) lines.push(assertion(`(${name}) == ${value}`, name));
  const declaring = [...module.structs, ...module.ioctls].map(({ header }) => header);
  const headers = [...new Set(["sys/param.h", ...module.headers, ...declaring])];
  const includes = [...headers.map((header) => `#include <${header}>`), "#include <stddef.h>"];
  return { source: [...includes, ...lines, ""].join("\n"), assertions: lines.length };
}

/** What of FreeBSD's the supervisor and the simulator declare for themselves: constants below a line that names headers. */
function nativeProbe(freebsd: string): { source: string; assertions: number } {
  const native = fileURLToPath(new URL("../../../native/", import.meta.url));
  const headers = new Set(["sys/param.h"]);
  const lines = Object.entries(LAYOUTS).map(([fact, value]) => assertion(`${fact} == ${value}`, fact));
  for (const directory of ["src/freebsd", "sim/src"]) {
    for (const name of readdirSync(join(native, directory)).filter((file) => file.endsWith(".rs"))) {
      const text = readFileSync(join(native, directory, name), "utf8");
      for (const [, listed = "", since = "0", constants = ""] of text.matchAll(DECLARED)) {
        if (Number.parseFloat(freebsd) < Number(since)) continue;
        for (const header of listed.split(", ")) headers.add(header);
        for (const [, constant, value = ""] of constants.matchAll(/const (\w+): [^=]+ = (-?\w+);/g))
          lines.push(assertion(`(${constant}) == ${value.replaceAll("_", "")}`, `${name}: ${constant}`));
      }
    }
  }
  const includes = [...[...headers].map((header) => `#include <${header}>`), "#include <stddef.h>"];
  return { source: [...includes, ...lines, ""].join("\n"), assertions: lines.length };
}

const DECLARED =
  /^\/\/ ([\w/]+\.h(?:, [\w/]+\.h)*)(?:, from release (\d+) on)?\n((?:(?:pub )?const \w+: [^=]+ = -?\w+;\n)+)/gm;

/** The supervisor's and the simulator's layouts: struct kevent, and of struct kinfo_proc what they read. */
const LAYOUTS = {
  "sizeof(struct kinfo_proc)": 1088,
  "offsetof(struct kinfo_proc, ki_structsize)": 0,
  "offsetof(struct kinfo_proc, ki_stat)": 388,
  "offsetof(struct kinfo_proc, ki_jid)": 592,
  "sizeof(struct kevent)": 64,
  "offsetof(struct kevent, filter)": 8,
  "offsetof(struct kevent, flags)": 10,
  "offsetof(struct kevent, fflags)": 12,
  "offsetof(struct kevent, data)": 16,
  "offsetof(struct kevent, udata)": 24,
};

function compile(zig: string, target: string, source: string): { status: number | null; errors: string } {
  const file = join(directory, "probe.c");
  writeFileSync(file, source);
  const cache = join(directory, "cache");
  const result = spawnSync(zig, ["cc", "-target", target, "-c", "-o", join(directory, "probe.o"), file], {
    encoding: "utf8",
    env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
  });
  return { status: result.status, errors: result.error?.message ?? result.stderr };
}

const zigs = findZigs();
for (const { zig: version, freebsd } of releases) {
  const zig = zigs.get(version);
  const missing = `zig ${version}, which brings the headers of FreeBSD ${freebsd}, is not installed`;
  const skip = zig === undefined && !demandsAll ? missing : false;

  test(`every struct, ioctl and constant is as the headers of FreeBSD ${freebsd} have it`, { skip }, async (t) => {
    assert.ok(zig !== undefined, missing);
    let count = 0;
    for (const module of await readDeclarations()) {
      if (freebsd < (module.since ?? "") || freebsd >= (module.until ?? "99")) continue;
      const { source, assertions } = probe(module);
      assert.notEqual(assertions, 0, `abi/${module.name} declares nothing`);
      for (const target of targets) {
        const { status, errors } = compile(zig, target, source);
        assert.equal(status, 0, `abi/${module.name} on ${target}:\n${errors}`);
      }
      count += assertions;
    }
    t.diagnostic(`${count} facts agree with FreeBSD ${freebsd}, on ${targets.join(" and ")}`);
  });

  test(`what the supervisor declares is as the headers of FreeBSD ${freebsd} have it`, { skip }, (t) => {
    assert.ok(zig !== undefined, missing);
    const { source, assertions } = nativeProbe(freebsd);
    assert.ok(assertions > Object.keys(LAYOUTS).length + 8, source);
    for (const target of targets) {
      const { status, errors } = compile(zig, target, source);
      assert.equal(status, 0, `on ${target}:\n${errors}`);
    }
    t.diagnostic(`${assertions} facts agree`);
  });

  test(`a wrong layout does not compile against FreeBSD ${freebsd}`, { skip }, async () => {
    assert.ok(zig !== undefined, missing);
    for (const wrong of [
      "sizeof(struct ifreq) == 40",
      "offsetof(struct ifreq, ifr_flags) == 18",
      "SIOCAIFADDR == 0x8040691aUL",
      "IFF_UP == 2",
    ]) {
      const source = `#include <sys/param.h>\n#include <sys/socket.h>\n#include <sys/sockio.h>\n#include <net/if.h>
#include <netinet/in.h>\n#include <netinet/in_var.h>\n#include <stddef.h>\n${assertion(wrong, "wrong")}\n`;
      const { status, errors } = compile(zig, targets[0], source);
      assert.notEqual(status, 0, wrong);
      assert.match(errors, /static assertion failed/);
    }
  });

  test(`errno names and texts are those of FreeBSD ${freebsd}`, { skip }, () => {
    assert.ok(zig !== undefined, missing);
    const header = join(dirname(zig), "lib/libc/include/generic-freebsd/sys/errno.h");
    const declared = [...readFileSync(header, "utf8").matchAll(/^#define\s+(E\w+)\s+(\d+)\s+\/\* (.*?) \*\//gm)]
      .filter(([, code]) => code !== "ELAST")
      .map(([, code, number, text]) => [Number(number), [code, text]]);
    assert.ok(declared.length > 90);
    assert.deepEqual(errnoTable, Object.fromEntries(declared));
  });
}
