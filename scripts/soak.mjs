// Kills, failing calls, parallel commands and hostile input without the time limit of `npm test`, then random commands with
// random kills. Argument: seconds of the latter, 600 unless given.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [seconds = "600"] = process.argv.slice(2);
if (!/^[1-9]\d*$/.test(seconds)) {
  console.error("usage: npm run test:soak [-- SECONDS]");
  process.exit(2);
}
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { status } = spawnSync(
  process.execPath,
  ["scripts/test.mjs", "test/crash", "test/concurrency", "test/hostile", "test/soak"],
  { cwd: root, stdio: "inherit", env: { ...process.env, KLEE_SOAK_SECONDS: seconds } },
);
process.exit(status ?? 1);
