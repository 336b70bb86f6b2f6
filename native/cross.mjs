// Builds what klee's packages hold, one for each target, on Linux: addon, supervisor, and the addon of SQLite; into
// prebuilt/TARGET beside this file. Arguments: zig's program, which compiles C and links; then targets, or none for all.
// Rust's library is built from Debian's source package, with the compiler of the same release, since rustup has no
// library for all of them to offer everywhere; both are unpacked, not installed.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.mjs";
import { buildSqlite } from "./sqlite.mjs";
import { TARGETS } from "./targets.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const toolchain = join(here, "../.setup/cross-toolchain");
const PACKAGES = ["rust-web-src", "rustc-web", "cargo-web", "libstd-rust-web-dev"];
/** Libraries of theirs that not every Debian has; their names change with each release. */
const LIBRARIES = /^lib(std-rust-web-\d|llvm\d|git2-|http-parser|mbed)/i;

const [zig, ...chosen] = process.argv.slice(2);
const unknown = chosen.find((name) => TARGETS[name] === undefined);
if (zig === undefined || unknown !== undefined) {
  console.error(`usage: node native/cross.mjs ZIG [TARGET...]; targets: ${Object.keys(TARGETS).join(" ")}`);
  process.exit(2);
}

async function download() {
  const only = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map((kind) => `--no-${kind}`);
  const fetchAll = () => {
    const { stdout } = spawnSync("apt-cache", ["depends", "--recurse", ...only, "rustc-web", "cargo-web"]);
    const libraries = String(stdout)
      .split("\n")
      .filter((name) => LIBRARIES.test(name));
    const silent = { cwd: toolchain, stdio: ["ignore", "ignore", "ignore"] };
    return spawnSync("apt-get", ["download", "-qq", ...PACKAGES, ...libraries], silent).status === 0;
  };
  if (fetchAll()) return;
  // A machine that has been there for a while knows packages that its servers have no more.
  await run("apt-get", ["update", "-qq"]);
  if (!fetchAll()) throw new Error(`cannot download ${PACKAGES.join(", ")}`);
}

async function unpackToolchain() {
  const root = join(toolchain, "root");
  if (existsSync(join(root, "usr/bin/cargo"))) return root;
  mkdirSync(toolchain, { recursive: true });
  await download();
  for (const file of readdirSync(toolchain).filter((name) => name.endsWith(".deb")))
    await run("dpkg", ["-x", file, "root"], { cwd: toolchain });
  return root;
}

/**
 * zig as rustc calls a linker. The libc crate names libraries of FreeBSD that nothing here calls, and that zig does not
 * have; of what unwinds a stack, which no panic here does, it has its own.
 */
function writeLinker(zigTarget) {
  const path = join(toolchain, `linker-${zigTarget}`);
  writeFileSync(
    path,
    `#!/bin/sh
unset LD_LIBRARY_PATH
for argument; do
  shift
  case $argument in
    -lkvm | -lmemstat | -lprocstat | -ldevstat) ;;
    -lgcc_s) set -- "$@" -lunwind ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec '${resolve(zig)}' cc -target ${zigTarget} "$@"
`,
    { mode: 0o755 },
  );
  return path;
}

/** @returns the directory of what is built. */
async function cargoBuild(root, { rust, zig: zigTarget, flags }, what) {
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: join(root, "usr/lib/x86_64-linux-gnu"),
    RUSTC: join(root, "usr/bin/rustc"),
    RUSTFLAGS: flags,
    // Building the library is a feature that is not settled yet.
    RUSTC_BOOTSTRAP: "1",
    [`CARGO_TARGET_${rust.toUpperCase().replaceAll("-", "_")}_LINKER`]: writeLinker(zigTarget),
  };
  const common = ["--release", "--locked", "--quiet", "-Zbuild-std=std,panic_abort", "--target", rust];
  const directory = join(here, "target/cross");
  await run(join(root, "usr/bin/cargo"), ["build", ...common, "--target-dir", directory, ...what], { cwd: here, env });
  return join(directory, rust, "release");
}

async function buildRust(root, name) {
  const { addon, supervisor } = TARGETS[name];
  const program = ["--features", "supervisor", "--bin", "klee-supervisor"];
  copyFileSync(join(await cargoBuild(root, supervisor, program), "klee-supervisor"), output(name, "klee-supervisor"));
  const library = ["--features", "addon", "--lib"];
  copyFileSync(join(await cargoBuild(root, addon, library), "libklee.so"), output(name, "klee.node"));
}

function output(name, file) {
  const directory = join(here, "prebuilt", name);
  mkdirSync(directory, { recursive: true });
  return join(directory, file);
}

const root = await unpackToolchain();
const names = chosen.length > 0 ? chosen : Object.keys(TARGETS);
/** One of each kind at a time: cargo locks what it builds in. */
await Promise.all([
  (async () => {
    for (const name of names) await buildRust(root, name);
  })(),
  (async () => {
    for (const name of names) await buildSqlite(resolve(zig), TARGETS[name].addon.zig, output(name, "node_sqlite3.node"));
  })(),
]);
