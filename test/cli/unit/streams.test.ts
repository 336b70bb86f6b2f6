import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root = fileURLToPath(new URL("../../../", import.meta.url));

// Bundled first: a loader's worker thread would touch the standard streams itself.
const { outputFiles } = buildSync({
  stdin: { contents: 'export { systemStreams as streams } from "./src/cli/io/streams.ts";', resolveDir: root },
  bundle: true,
  platform: "node",
  format: "cjs",
  write: false,
});

/** A program that uses the CLI's own streams; `streams`, `writeSync` and `readFileSync` are at hand. */
function source(code: string): string {
  return `${outputFiles[0]?.text}; const { streams } = module.exports; const { readFileSync, writeSync } = require("node:fs"); ${code}`;
}

function program(code: string): ChildProcess {
  return spawn(process.execPath, ["-e", source(code)], { stdio: "pipe" });
}

async function output(child: ChildProcess): Promise<{ stdout: string; stderr: string; status: number | null }> {
  const ended = once(child, "close") as Promise<[number | null]>;
  const [stdout, stderr] = await Promise.all([text(child.stdout as Readable), text(child.stderr as Readable)]);
  const [status] = await ended;
  return { stdout, stderr, status };
}

test("a full pipe that somebody made non-blocking loses nothing", async () => {
  const bytes = 3_000_000;
  const writer = `streams.write(1, "x".repeat(${bytes}) + "\\n")`;
  const child = program(
    `const { Socket } = require("node:net"); new Socket({ fd: 1, readable: false, writable: true }); ` +
      `writeSync(2, /flags:\\s*(\\d+)/.exec(readFileSync("/proc/self/fdinfo/1", "utf8"))[1]); ${writer}; process.exit(0)`,
  );
  const { stdout, stderr, status } = await output(child);
  assert.equal(Number.parseInt(stderr, 8) & 0o4000, 0o4000, `O_NONBLOCK is not set: ${stderr}`);
  assert.deepEqual([stdout.length, status], [bytes + 1, 0]);
});

test("a reader that went away is no error, and the other stream still works", async () => {
  const child = program(`streams.readLine(); streams.write(1, "a"); streams.write(1, "b"); streams.write(2, "done")`);
  child.stdout?.destroy();
  child.stdin?.end("go\n");
  const ended = once(child, "close");
  assert.equal(await text(child.stderr as Readable), "done");
  assert.deepEqual(await ended, [0, null]);
});

test("a line is read to its end and no further", async () => {
  const child = program(
    `writeSync(1, JSON.stringify([streams.readLine(), streams.readLine(), readFileSync(0, "utf8")])); ` +
      `writeSync(1, String(streams.readLine()))`,
  );
  child.stdin?.end("first ä\n\nrest\nof it");
  assert.deepEqual(await output(child), { stdout: '["first ä","","rest\\nof it"]undefined', stderr: "", status: 0 });
});

test("the descriptors stay blocking, whatever the CLI prints", () => {
  const code =
    `streams.write(1, "a\\n"); streams.write(2, "b\\n"); streams.isTerminal(0); streams.windowSize(); ` +
    `writeSync(1, [0, 1, 2].map((fd) => /flags:\\s*(\\d+)/.exec(readFileSync("/proc/self/fdinfo/" + fd, "utf8"))[1]).join(" "))`;
  const shell = `true | "$0" -e "$1" 2>/dev/null | cat`;
  const { stdout } = spawnSync("/bin/sh", ["-c", shell, process.execPath, source(code)], { encoding: "utf8" });
  const flags = stdout.trim().split("\n").at(-1)?.split(" ") ?? [];
  assert.equal(flags.length, 3, stdout);
  for (const flag of flags) assert.equal(Number.parseInt(flag, 8) & 0o4000, 0, stdout);
});

test("the window's size is the terminal's", () => {
  const inner = `stty rows 33 cols 77; "$KLEE_TEST_NODE" -e "$KLEE_TEST_SOURCE"`;
  const env = {
    ...process.env,
    KLEE_TEST_NODE: process.execPath,
    KLEE_TEST_SOURCE: source("streams.write(1, JSON.stringify([streams.isTerminal(0), streams.windowSize()]))"),
  };
  const { stdout } = spawnSync("script", ["-qec", inner, "/dev/null"], { env, encoding: "utf8", input: "" });
  assert.match(stdout, /\[true,\{"rows":33,"columns":77\}\]/);
});

test("no file of the CLI uses Node's own stream objects", () => {
  const files = readdirSync(`${root}src/cli`, { recursive: true, encoding: "utf8" })
    .map((name) => `${root}src/cli/${name}`)
    .filter((path) => statSync(path).isFile());
  assert.ok(files.length > 20, "the sources were found");
  for (const file of files) {
    assert.doesNotMatch(readFileSync(file, "utf8"), /process\.(stdin|stdout|stderr)|console\./, file);
  }
});
