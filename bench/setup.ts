import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const built = join(here, "../.setup/bench");

/** Debian packages of the peers, by the program that shows that it is there. */
const peers: Readonly<Record<string, string>> = {
  crun: "crun",
  runc: "runc",
  bwrap: "bubblewrap",
  podman: "podman",
  ip: "iproute2",
  nft: "nftables",
};
const searched = ["/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const SHARED = ["-shared", "-fPIC", "-fno-builtin"];

export function findPeer(program: string): string | undefined {
  return searched.map((directory) => join(directory, program)).find((path) => existsSync(path));
}

export const floorPath = (name: string): string => join(built, name);

/** Builds the floors, and installs those peers that are missing; without them their places stay blank. */
export function setUp(): void {
  buildFloors();
  const missing = Object.keys(peers).filter((program) => findPeer(program) === undefined);
  if (missing.length === 0) return;
  const packages = missing.map((program) => peers[program] ?? program);
  console.error(`bench: installing ${packages.join(" ")}`);
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  spawnSync("apt-get", ["update", "-qq"], options);
  // One by one: what this system does not have keeps none of the others away.
  for (const name of packages) {
    const { status } = spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", name], options);
    if (status !== 0) console.error(`bench: no ${name}; its figures stay blank`);
  }
}

function buildFloors(): void {
  mkdirSync(built, { recursive: true });
  const sources = readdirSync(join(here, "floors"), { withFileTypes: true }).filter(({ name }) => name.endsWith(".c"));
  for (const { name } of sources) {
    const source = join(here, "floors", name);
    const program = basename(name, ".c");
    if (program.endsWith("stand-in")) build(source, floorPath(`${program}.so`), SHARED);
    else build(source, floorPath(program), [...(program === "tcp" ? ["-static"] : []), "-ldl"]);
  }
  build(join(here, "../test/ffi/freebsd/stand-in.c"), floorPath("stand-in.so"), SHARED);
}

function build(source: string, target: string, args: readonly string[]): void {
  const header = join(here, "floors/floor.h");
  const newest = Math.max(statSync(source).mtimeMs, statSync(header).mtimeMs);
  if (existsSync(target) && statSync(target).mtimeMs > newest) return;
  const { status, stderr, error } = spawnSync("cc", ["-O2", "-Wall", "-o", target, source, ...args], {
    encoding: "utf8",
  });
  if (error) throw new Error(`cannot run cc: ${error.message}; install gcc and libc6-dev`);
  if (status !== 0) throw new Error(`cc ${source}: ${stderr}`);
}
