// Builds the addon and the supervisor for FreeBSD 14 and 15 on Linux, and puts them beside this file: into freebsd-x64
// for amd64, into freebsd-arm64 for arm64. Needs zig as linker (argument: its program). Rust's library is built from
// Debian's source package, with the compiler of the same release, since rustup has no FreeBSD library to offer everywhere;
// both are unpacked, not installed.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const toolchain = join(here, "../.setup/freebsd-toolchain");
/** By Node's name of an architecture, the compiler's. */
const ARCHITECTURES = { x64: "x86_64", arm64: "aarch64" };
/** What is built runs on this release and later ones. */
const RELEASE = "14.0";
const PACKAGES = ["rust-web-src", "rustc-web", "cargo-web", "libstd-rust-web-dev"];
/** Libraries of theirs that not every Debian has; their names change with each release. */
const LIBRARIES = /^lib(std-rust-web-\d|llvm\d|git2-|http-parser|mbed)/i;

const [zig] = process.argv.slice(2);
if (zig === undefined) {
  console.error("usage: node native/freebsd.mjs ZIG");
  process.exit(2);
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: here, stdio: ["ignore", "ignore", "inherit"], ...options });
  if (error) throw new Error(`cannot run ${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed`);
}

function download() {
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
  run("apt-get", ["update", "-qq"]);
  if (!fetchAll()) throw new Error(`cannot download ${PACKAGES.join(", ")}`);
}

function unpackToolchain() {
  const root = join(toolchain, "root");
  if (existsSync(join(root, "usr/bin/cargo"))) return root;
  mkdirSync(toolchain, { recursive: true });
  download();
  for (const file of readdirSync(toolchain).filter((name) => name.endsWith(".deb")))
    run("dpkg", ["-x", file, "root"], { cwd: toolchain });
  return root;
}

/** The libc crate names libraries of FreeBSD that nothing here calls, and that zig does not have. */
function writeLinker(architecture) {
  const path = join(toolchain, `linker-${architecture}`);
  writeFileSync(
    path,
    `#!/bin/sh
unset LD_LIBRARY_PATH
for argument; do
  shift
  case $argument in -lkvm | -lmemstat | -lprocstat | -ldevstat) ;; *) set -- "$@" "$argument" ;; esac
done
exec '${resolve(zig)}' cc -target ${architecture}-freebsd.${RELEASE} "$@"
`,
    { mode: 0o755 },
  );
  return path;
}

function build(root, name, architecture) {
  const target = `${architecture}-unknown-freebsd`;
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: join(root, "usr/lib/x86_64-linux-gnu"),
    RUSTC: join(root, "usr/bin/rustc"),
    // Building the library is a feature that is not settled yet.
    RUSTC_BOOTSTRAP: "1",
    [`CARGO_TARGET_${target.toUpperCase().replaceAll("-", "_")}_LINKER`]: writeLinker(architecture),
  };
  const common = ["--release", "--locked", "--quiet", "-Zbuild-std=std,panic_abort", "--target", target];
  const directory = ["--target-dir", join(here, "target/freebsd")];
  for (const what of [
    ["--features", "supervisor", "--bin", "klee-supervisor"],
    ["--features", "addon", "--lib"],
  ])
    run(join(root, "usr/bin/cargo"), ["build", ...common, ...directory, ...what], { env });
  const output = join(here, `freebsd-${name}`);
  mkdirSync(output, { recursive: true });
  const built = join(here, "target/freebsd", target, "release");
  copyFileSync(join(built, "klee-supervisor"), join(output, "klee-supervisor"));
  copyFileSync(join(built, "libklee.so"), join(output, "klee.node"));
}

const root = unpackToolchain();
for (const [name, architecture] of Object.entries(ARCHITECTURES)) build(root, name, architecture);
