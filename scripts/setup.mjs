// Sets up all that a new Debian machine with Node, npm and cargo lacks; what is there already is left alone.
// With --test also what only the tests need, with --pack what the package holds for FreeBSD. Each part is done again only when its inputs have changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamps = join(root, ".setup");
const forTests = process.argv.includes("--test");
const forPackage = forTests || process.argv.includes("--pack");

/** Debian packages: what klee needs at run time, what builds it, what the walkthrough's containers and hosts run. */
const packages = [
  "libnftables1",
  "ca-certificates g++ make python3",
  "bind9-host busybox-static dnsmasq-base iproute2 iputils-ping net-tools netcat-openbsd nftables",
  ...(forTests
    ? ["git strace gcc libc6-dev util-linux xz-utils libarchive-tools libcap2-bin", "graphviz libxml2-utils mandoc"]
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
    .filter(
      (name) => name !== "target" && !/^freebsd-/.test(name) && !name.endsWith(".node") && name !== "klee-supervisor",
    )
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

/** A second JavaScript runtime, the one that klee was first run with on FreeBSD; its packages hold the program itself. */
function installBun(release) {
  const name = { x64: "bun-linux-x64-baseline", arm64: "bun-linux-aarch64" }[process.arch];
  if (name === undefined) return;
  const target = `.setup/bun-${release}`;
  const quiet = ["--no-save", "--no-package-lock", "--no-fund", "--no-audit", "--loglevel=error"];
  once(`runtime-${release}`, [], [`${target}/bun`], () => {
    rmSync(join(root, target), { recursive: true, force: true });
    mkdirSync(join(root, target), { recursive: true });
    run("npm", ["install", "--prefix", target, ...quiet, `@oven/${name}@${release}`]);
    renameSync(join(root, target, "node_modules/@oven", name, "bin/bun"), join(root, target, "bun"));
  });
}

try {
  installDebianPackages();
  installRust();
  once("npm", ["package.json", "package-lock.json"], ["node_modules/sqlite3/build", "node_modules/koffi"], () =>
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
      "scripts/manual",
      "scripts/parts.mjs",
      "native",
      "src",
    ],
    ["dist/klee.cjs", "native/klee.node", "native/klee-supervisor"],
    () => {
      addMusl();
      run(process.execPath, ["scripts/build.mjs"]);
    },
  );
  if (forTests)
    once("simulator", ["native"], ["native/target/sim/libfreebsd_sim.so"], () =>
      run(process.execPath, ["native/build.mjs", "--sim"]),
    );
  if (forPackage) installZig("0.15");
  if (forTests) installZig("0.16");
  if (forTests) installBun("1.4.5");
  if (forPackage)
    once(
      "freebsd",
      ["native"],
      ["x64", "arm64"].flatMap((name) => [
        `native/freebsd-${name}/klee.node`,
        `native/freebsd-${name}/klee-supervisor`,
      ]),
      () => run(process.execPath, ["native/freebsd.mjs", ".setup/zig-0.15/ziglang/zig"]),
    );
} catch (error) {
  console.error(`klee: ${error.message}`);
  process.exit(1);
}
