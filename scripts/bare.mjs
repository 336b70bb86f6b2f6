// The README's commands on a Debian that has nothing but Node, npm and this checkout's last commit: a root directory by
// debootstrap, with namespaces of its own and an empty home. As root; takes some minutes, and is for whoever changes the
// set-up. Arguments: a release of Debian, trixie unless given; npm scripts to run there, walkthrough unless given.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "..");
const [release = "trixie", ...given] = process.argv.slice(2);
const scripts = given.length > 0 ? given : ["walkthrough"];
if (!/^[a-z]+$/.test(release) || scripts.some((script) => !/^[a-z:-]+$/.test(script))) {
  console.error("usage: node scripts/bare.mjs [RELEASE [SCRIPT...]]");
  process.exit(2);
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"], ...options });
  if (error) throw new Error(`cannot run ${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed`);
}

/** This Node and its npm, as they are installed by hand. */
function copyNode(root) {
  const npm = realpathSync(spawnSync("which", ["npm"], { encoding: "utf8" }).stdout.trim());
  const target = join(root, "usr/local/lib/node_modules/npm");
  copyFileSync(process.execPath, join(root, "usr/local/bin/node"));
  cpSync(join(dirname(npm), ".."), target, { recursive: true, verbatimSymlinks: true });
  run("ln", ["-s", "../lib/node_modules/npm/bin/npm-cli.js", join(root, "usr/local/bin/npm")]);
  const headers = join(dirname(process.execPath), "../include/node");
  if (existsSync(headers)) cpSync(headers, join(root, "usr/local/include/node"), { recursive: true });
}

/** What this machine knows of the network: resolver, apt's settings, and certificates that are its own. */
function copyNetworkSettings(root) {
  copyFileSync("/etc/resolv.conf", join(root, "etc/resolv.conf"));
  for (const directory of ["etc/apt/apt.conf.d", "usr/local/share/ca-certificates"])
    if (existsSync(`/${directory}`)) cpSync(`/${directory}`, join(root, directory), { recursive: true });
  const bundle = "etc/ssl/certs/ca-certificates.crt";
  mkdirSync(dirname(join(root, bundle)), { recursive: true });
  if (existsSync(`/${bundle}`)) copyFileSync(`/${bundle}`, join(root, bundle));
  const sources = [release, `${release}-updates`].map((suite) => `deb http://deb.debian.org/debian ${suite} main\n`);
  const security = `deb http://deb.debian.org/debian-security ${release}-security main\n`;
  writeFileSync(join(root, "etc/apt/sources.list"), sources.join("") + security);
}

/** Runs npm's script within the root directory, whose mounts go with the process. */
function runWithin(root, script) {
  const mounts =
    "mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev && mount -t tmpfs tmpfs tmp";
  const bundle = "/etc/ssl/certs/ca-certificates.crt";
  const environment = ["HOME=/root", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "LANG=C"];
  const certificates = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "PIP_CERT"].map((name) => `${name}=${bundle}`);
  const enter = `cd "$0" && mount --bind . . && cd "$0" && ${mounts} && exec env -i "$@"`;
  const command = ["chroot", ".", "sh", "-c", `cd /root/klee && exec npm run ${script}`];
  run("unshare", [
    "-m",
    "-p",
    "-f",
    "--kill-child",
    "sh",
    "-c",
    enter,
    root,
    ...environment,
    ...certificates,
    ...command,
  ]);
}

const directory = mkdtempSync(join(tmpdir(), "klee-bare-"));
const root = join(directory, "root");
try {
  run("debootstrap", ["--variant=minbase", release, root, "http://deb.debian.org/debian"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  copyNode(root);
  copyNetworkSettings(root);
  run("git", ["clone", "-q", checkout, join(root, "root/klee")]);
  for (const script of scripts) {
    const started = Date.now();
    runWithin(root, script);
    console.log(`ok: npm run ${script} on a bare ${release} (${((Date.now() - started) / 1000).toFixed(0)} s)`);
  }
} catch (error) {
  console.error(`bare: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
