// Format, lint and types of everything, import directions among them, and the API reference. Prints one line per check; fails at the end.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const node = process.execPath;
const checks = [
  ["types", node, ["node_modules/typescript/bin/tsc", "--noEmit", "-p", "."], root],
  [
    "format and lint (TypeScript)",
    node,
    ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."],
    root,
  ],
  ["API reference", node, ["scripts/api/api.mjs", "--check"], root],
  ["format (Rust)", "cargo", ["fmt", "--all", "--check"], join(root, "native")],
  [
    "lint (Rust, addon)",
    "cargo",
    ["clippy", "-q", "--release", "--features", "addon", "--lib", "--", "-D", "warnings"],
    join(root, "native"),
  ],
  [
    "lint (Rust, supervisor)",
    "cargo",
    ["clippy", "-q", "--release", "--features", "supervisor", "--bin", "klee-supervisor", "--", "-D", "warnings"],
    join(root, "native"),
  ],
  [
    "lint (Rust, supervisor of FreeBSD)",
    "cargo",
    ["clippy", "-q", "--release", "--features", "supervisor,sim", "--bin", "klee-supervisor", "--", "-D", "warnings"],
    join(root, "native"),
  ],
  [
    "lint (Rust, simulator)",
    "cargo",
    ["clippy", "-q", "--release", "-p", "freebsd-sim", "--all-targets", "--", "-D", "warnings"],
    join(root, "native"),
  ],
];
let failed = 0;
for (const [name, command, args, cwd] of checks) {
  const { status } = spawnSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
  console.log(`${status === 0 ? "ok" : "FAILED"}: ${name}`);
  if (status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
