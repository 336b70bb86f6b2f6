// Runs every check and every test. Each test file is a process of its own; a file that is not found is an error.
// Arguments: paths below test/ to run only those. Without privileges what needs them is left out and counted, unless CI is
// set: then it has failed.
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { asNamespaceRoot, isPrivileged } from "./privileges.mjs";
import { summary } from "./unrun.mjs";

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

/** Checks and tests of Rust write to the checkout; node's tests do not. */
function isWritable() {
  try {
    accessSync(join(root, "native/target"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const demandsAll = !["", "0", "false"].includes(process.env.CI ?? "");
const left = [];
let passed = true;
if (chosen.length === 0 && !demandsAll && !isWritable())
  left.push(
    "Checks of types, format and lint, and tests of Rust, did not run: this user cannot write to native/target.",
  );
else if (chosen.length === 0) {
  passed = run(process.execPath, ["scripts/check.mjs"]) && passed;
  passed =
    run("cargo", ["test", "-q", "--features", "supervisor", "--bin", "klee-supervisor"], join(root, "native")) &&
    passed;
  passed = run("cargo", ["test", "-q", "-p", "freebsd-sim"], join(root, "native")) && passed;
}
const [program, ...before] = [...((!demandsAll && !isPrivileged() && asNamespaceRoot()) || []), process.execPath];
const directory = mkdtempSync(join(tmpdir(), "klee-unrun-"));
const report = join(directory, "report");
// Tests that start containers share the host's one cgroup tree: one file at a time.
passed =
  run(program, [
    ...before,
    "--import",
    "tsx",
    "--test",
    "--test-concurrency=1",
    `--test-timeout=${timeout}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./scripts/unrun.mjs",
    `--test-reporter-destination=${report}`,
    ...files,
  ]) && passed;
left.push(...summary(readFileSync(report, "utf8")));
rmSync(directory, { recursive: true });
if (left.length > 0) left.push("All of them run as root on a machine, in a VM, or in `docker run --privileged`.");
for (const line of left) console.log(line);
process.exit(passed ? 0 : 1);
