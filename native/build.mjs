// Builds the addon and the supervisor and puts them beside this file. Incremental: cargo knows what is up to date.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

function run(command, args, options) {
  const result = spawnSync(command, args, { cwd: here, stdio: ["ignore", "inherit", "inherit"], ...options });
  if (result.error) {
    console.error(`native/build.mjs: cannot run ${command}: ${result.error.message}; it comes with Rust`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result;
}

/** By rename, since a supervisor that runs cannot be written to. */
function place(built, name, mode) {
  const target = join(here, name);
  if (existsSync(target) && readFileSync(built).equals(readFileSync(target))) return;
  copyFileSync(built, `${target}.new`);
  chmodSync(`${target}.new`, mode);
  renameSync(`${target}.new`, target);
}

const host = /^host: (.+)$/m.exec(run("rustc", ["-vV"], { stdio: ["ignore", "pipe", "inherit"] }).stdout.toString())?.[1];
const build = ["build", "--release", "--locked", "--quiet"];

run("cargo", [...build, "--lib", "--features", "addon"]);
place(join(here, "target/release/libklee.so"), "klee.node", 0o644);

// Static, for a small resident size and a quick start. With --target the flag spares build scripts and macros.
run("cargo", [...build, "--bin", "klee-supervisor", "--features", "supervisor", "--target", host], {
  env: { ...process.env, RUSTFLAGS: "-C target-feature=+crt-static" },
});
place(join(here, "target", host, "release/klee-supervisor"), "klee-supervisor", 0o755);
