// Runs every check and every test. Each test file is a process of its own; a file that is not found is an error.
// Arguments: paths below test/ to run only those.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
  if (error) throw error;
  return status === 0;
}

function testFiles(directory) {
  return readdirSync(join(root, directory), { withFileTypes: true })
    .sort((a, b) => a.name.localeCompare(b.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return testFiles(path);
      return entry.name.endsWith(".test.ts") ? [path] : [];
    });
}

// A soak tries all points of all commands, and then goes on for as long as it was told to.
const soak = process.env.KLEE_SOAK_SECONDS;
const timeout = 1000 * (soak === undefined ? 600 : 7200 + Number(soak));
const chosen = process.argv.slice(2);
const files = testFiles("test").filter((file) => chosen.length === 0 || chosen.some((path) => file.startsWith(path)));
if (files.length === 0) {
  console.error("klee: no test file found");
  process.exit(1);
}
let passed = true;
if (chosen.length === 0) {
  passed = run(process.execPath, ["scripts/check.mjs"]) && passed;
  passed =
    run("cargo", ["test", "-q", "--features", "supervisor", "--bin", "klee-supervisor"], join(root, "native")) &&
    passed;
  passed = run("cargo", ["test", "-q", "-p", "freebsd-sim"], join(root, "native")) && passed;
}
// Tests that start containers share the host's one cgroup tree: one file at a time.
passed =
  run(process.execPath, [
    "--import",
    "tsx",
    "--test",
    "--test-concurrency=1",
    `--test-timeout=${timeout}`,
    "--test-reporter=spec",
    ...files,
  ]) && passed;
process.exit(passed ? 0 : 1);
