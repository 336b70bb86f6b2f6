/** The built command: it starts whatever V8 thinks of its compiled form, and loads no more of Node than it uses. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "klee-launch-"));
after(() => rmSync(directory, { recursive: true, force: true }));
for (const file of ["klee.cjs", "program"])
  cpSync(join(root, "dist", file), join(directory, "dist", file), { recursive: true });
for (const file of ["package.json", "node_modules", "native"]) symlinkSync(join(root, file), join(directory, file));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

function klee(nodeOptions: readonly string[], ...args: string[]) {
  const argv = [...nodeOptions, join(directory, "dist/klee.cjs"), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    encoding: "utf8",
    env: { PATH: process.env.PATH, KLEE_ROOT: join(directory, "store") },
  });
  return { status, stdout, stderr };
}

test("nothing is loaded of Node that the command does not use", () => {
  const hook = join(directory, "loaded.cjs");
  writeFileSync(hook, 'process.on("exit", () => require("fs").writeSync(2, process.moduleLoadList.join("\\n")));');
  const { stderr } = klee(["--require", hook], "--version");
  const loaded = stderr.split("\n");
  assert.ok(loaded.includes("NativeModule fs"));
  for (const name of ["child_process", "crypto", "module", "net", "os", "stream", "tty", "zlib"])
    assert.ok(!loaded.includes(`NativeModule ${name}`), name);
});

test(
  "a command that only looks loads nothing that changes anything",
  needs("root", "cgroup2", "libnftables", "ip"),
  () => {
    const hook = join(directory, "read.cjs");
    writeFileSync(
      hook,
      `const fs = require("fs");
     const { readFileSync } = fs;
     fs.readFileSync = (path, ...options) => {
       if (String(path).endsWith(".js")) fs.writeSync(2, path + "\\n");
       return readFileSync(path, ...options);
     };`,
    );
    using machine = new Machine();
    for (const args of [
      ["image", "create", "dir", machine.folder("files"), "-t", "box"],
      ["network", "create", "--subnet", "10.2.3.0/24", "net"],
      ["create", "-n", "net", "--name", "one", "box", "true"],
    ])
      assert.equal(machine.klee(args).status, 0);
    // But for network ls and inspect, which ask the kernel by what interface packets leave.
    for (const command of [
      ["lsc", "-a"],
      ["image", "ls"],
      ["container", "inspect", "one"],
      ["image", "inspect", "box"],
    ]) {
      const { status, stderr } = klee(["--require", hook], "--root", machine.root, ...command);
      assert.equal(status, 0, stderr);
      const loaded = stderr
        .trimEnd()
        .split("\n")
        .map((path) => basename(path));
      assert.ok(loaded.includes("main.js"), stderr);
      assert.deepEqual(
        loaded.filter((part) => part.includes("changing")),
        [],
        command.join(" "),
      );
    }
  },
);

test("--trace=startup accounts for all of the time", needs("root", "cgroup2"), () => {
  const { status, stdout, stderr } = klee([], "--trace=startup", "lsc", "-q");
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "");
  const lines = stderr.trimEnd().split("\n");
  const parts = new Map(
    lines.map((line) => {
      const [, part = "", milliseconds] = /^(.+?) +(\d+\.\d\d)$/.exec(line) ?? assert.fail(line);
      return [part, Number(milliseconds)];
    }),
  );
  const total = parts.get("total") ?? 0;
  parts.delete("total");
  for (const part of ["node", "program", "command line", "sqlite3", "query", "klee"]) assert.ok(parts.has(part), part);
  const sum = [...parts.values()].reduce((one, other) => one + other, 0);
  assert.ok(Math.abs(sum - total) < 0.01 * parts.size, `${sum} of ${total}`);
});

const program = join(directory, "dist/program");
const compiled = (): string[] => readdirSync(program).filter((file) => file.endsWith(".compiled"));

test("a compiled form that V8 refuses, or none, makes no difference", () => {
  const expected = { status: 0, stdout: `${version}\n`, stderr: "" };
  rmSync(program, { recursive: true });
  cpSync(join(root, "dist/program"), program, { recursive: true, filter: (path) => !path.endsWith(".compiled") });
  assert.deepEqual(klee([], "--version"), expected);
  // Other flags than those it was compiled under, as another version would have.
  assert.deepEqual(klee(["--no-lazy"], "--version"), expected);
  for (const content of [Buffer.alloc(1000), Buffer.alloc(0)]) {
    for (const file of compiled()) writeFileSync(join(program, file), content);
    assert.deepEqual(klee([], "--version"), expected);
  }
});

test("what one Node compiled is given to no other, were it of the same version", needs("root"), () => {
  const first = compiled();
  assert.ok(
    first.some((file) => file.startsWith(`main.js.${process.version}-`)),
    first.join(),
  );
  // Given to V8 it would crash: nobody opens it.
  const other = join(directory, "node");
  copyFileSync(process.execPath, other);
  const { status, stdout, stderr } = spawnSync(
    "strace",
    ["-f", "-e", "openat", other, join(directory, "dist/klee.cjs"), "--version"],
    {
      encoding: "utf8",
      env: { PATH: process.env.PATH },
    },
  );
  assert.deepEqual([status, stdout], [0, `${version}\n`]);
  for (const file of first) assert.ok(!stderr.includes(file), file);
  assert.equal(compiled().filter((file) => file.startsWith("main.js.")).length, 2);
  const { stdout: packed } = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
    encoding: "utf8",
  });
  const files = (JSON.parse(packed) as { files: { path: string }[] }[])[0]?.files.map(({ path }) => path) ?? [];
  assert.ok(files.includes("dist/program/main.js"));
  assert.deepEqual(
    files.filter((path) => path.endsWith(".compiled")),
    [],
  );
});

test("an --env-file among a command's arguments is the command's", needs("root"), () => {
  const file = join(directory, "variables");
  writeFileSync(file, "NODE_OPTIONS=--no-such-option\n");
  for (const words of [["--env-file", "/nosuch"], ["--env-file=/nosuch"], ["--env-file", file]]) {
    const { status, stderr } = spawnSync(join(directory, "dist/klee.cjs"), ["run", "nosuch", "prog", ...words], {
      encoding: "utf8",
      env: { PATH: process.env.PATH, KLEE_ROOT: join(directory, "store") },
    });
    assert.equal(status, 125, stderr);
    assert.match(stderr, /^klee: [^\n]*nosuch/);
  }
});
