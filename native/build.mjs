// Builds the addon and the supervisor and puts them, and sqlite3's addon, beside this file. Incremental: cargo knows what is up to date.
// With --sim also what tests of the FreeBSD side need on Linux: the simulator, and a supervisor of FreeBSD's kind that
// loads it, in target/sim.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
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

/** Has the compiler Rust's library for this target? */
function hasLibrary(target) {
  const { status, stdout } = spawnSync("rustc", ["--print", "target-libdir", "--target", target]);
  return status === 0 && existsSync(stdout.toString().trim());
}

const host = /^host: (.+)$/m.exec(run("rustc", ["-vV"], { stdio: ["ignore", "pipe", "inherit"] }).stdout.toString())?.[1];
// napi names the addon after "napi" in package.json, and knows what each system's linker needs.
const napi = join(here, "../node_modules/@napi-rs/cli/dist/cli.js");
if (existsSync(napi)) {
  const addon = ["--release", "--no-js", "--no-dts-cache", "--features", "addon", "--output-dir", "target/napi"];
  run(process.execPath, [napi, "build", "--package-json-path", "../package.json", ...addon, "--", "--lib", "--locked", "--quiet"]);
  place(join(here, "target/napi/klee.node"), "klee.node", 0o644);
} else {
  // Where klee is installed, not developed.
  run("cargo", ["build", "--release", "--locked", "--quiet", "--features", "addon", "--lib", "--target-dir", "target"]);
  place(join(here, "target/release/libklee.so"), "klee.node", 0o644);
}
// As the installation of sqlite3 compiled it.
place(join(here, "../node_modules/sqlite3/build/Release/node_sqlite3.node"), "node_sqlite3.node", 0o644);

// Static, for a small resident size and a quick start. With --target the flag spares build scripts and macros. With musl
// where Rust's library for it is there (rustup target add): before its first line glibc asks the processor some 80 things,
// each of which a virtual machine's host answers.
const musl = host.replace(/-gnu$/, "-musl");
const target = hasLibrary(musl) ? musl : host;
const supervisor = ["--bin", "klee-supervisor", "--features", "supervisor", "--target", target];
run("cargo", ["build", "--release", "--locked", "--quiet", ...supervisor], {
  env: { ...process.env, RUSTFLAGS: "-C target-feature=+crt-static" },
});
place(join(here, "target", target, "release/klee-supervisor"), "klee-supervisor", 0o755);

if (process.argv.includes("--sim")) {
  run("cargo", ["build", "--release", "--locked", "--quiet", "-p", "freebsd-sim"]);
  // Not static, since it loads a library.
  const variant = ["--bin", "klee-supervisor", "--features", "supervisor,sim", "--target-dir", "target/sim-build"];
  run("cargo", ["build", "--release", "--locked", "--quiet", ...variant]);
  mkdirSync(join(here, "target/sim"), { recursive: true });
  place(join(here, "target/release/libfreebsd_sim.so"), "target/sim/libfreebsd_sim.so", 0o755);
  place(join(here, "target/sim-build/release/klee-supervisor"), "target/sim/klee-supervisor", 0o755);
  for (const addon of ["klee.node", "node_sqlite3.node"]) place(join(here, addon), `target/sim/${addon}`, 0o644);
}
