/** The packed files, installed into empty projects by every Node that is supported, and Bun: what a user gets. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { type Ended, ended, npmProgram, Project, packageRoot, programs, release } from "../support/packages.ts";
import { buildRoot, findProgram } from "../support/rootfs.ts";

/** The oldest that package.json allows, one between, and the newest of each release that is maintained; by the set-up. */
const NODES = ["20.17.0", "20.18.3", "20.20.2", "22.23.5", "24.22.3"];
const BUN = "1.4.5";
const NOBODY = 65534;
/** Compilers for whoever looks for one. */
const COMPILERS = ["cc", "c++", "make", "python3"];

interface Cell {
  readonly runtime: string;
  readonly isBun: boolean;
  readonly hasCompiler: boolean;
  readonly isRoot: boolean;
  readonly path: string;
  readonly project: Project;
  seconds: number;
}

const directory = mkdtempSync(join(tmpdir(), "klee-install-"));
after(() => rmSync(directory, { recursive: true, force: true }));
chmodSync(directory, 0o755);
const setup = join(packageRoot, ".setup");
const packed = join(directory, "packed");
/** What was downloaded stays with what the set-up downloaded. */
const caches = { root: join(setup, "installers"), other: join(directory, "installers") };

function tree(path: string): string[] {
  const inner = lstatSync(path).isDirectory() ? readdirSync(path).flatMap((name) => tree(join(path, name))) : [];
  return [path, ...inner];
}

function giveAway(path: string): void {
  for (const file of tree(path)) chownSync(file, NOBODY, NOBODY);
}

function cells(): Cell[] {
  const runtimes = [
    ...NODES.map((version) => ({ runtime: `node ${version}`, program: join(setup, `node-${version}-x64/bin/node`) })),
    { runtime: `bun ${BUN}`, program: join(setup, `bun-${BUN}/bin/bun`) },
  ];
  return runtimes.flatMap(({ runtime, program }) => {
    const isBun = runtime.startsWith("bun");
    const alone = programs(join(directory, runtime.replace(" ", "-")), {
      [isBun ? "bun" : "node"]: program,
      sh: findProgram("sh"),
      env: findProgram("env"),
    });
    return [true, false].flatMap((hasCompiler) =>
      [true, false].map((isRoot) => {
        const name = `${runtime.replace(" ", "-")}-${hasCompiler ? "compiler" : "none"}-${isRoot ? "root" : "user"}`;
        const project = new Project(join(directory, name), packed);
        project.writeManifest(isBun ? "bun" : "npm");
        if (!isRoot) giveAway(join(directory, name));
        const path = hasCompiler ? `${alone}:${process.env.PATH}` : alone;
        return { runtime, isBun, hasCompiler, isRoot, path, project, seconds: 0 };
      }),
    );
  });
}

function run(cell: Cell, command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return ended(command, args, {
    cwd: cell.project.directory,
    env: { ...more, PATH: cell.path, HOME: cell.project.home },
    ...(!cell.isRoot && { uid: NOBODY, gid: NOBODY }),
  });
}

const runtimeOf = (cell: Cell): string => join(cell.path.split(":")[0] ?? "", cell.isBun ? "bun" : "node");

async function install(cell: Cell): Promise<void> {
  const cache = cell.isRoot ? caches.root : caches.other;
  const { status, output, milliseconds } = cell.isBun
    ? await run(cell, runtimeOf(cell), ["install"], { BUN_INSTALL_CACHE_DIR: join(cache, "bun") })
    : await run(cell, runtimeOf(cell), [npmProgram, "install", "--cache", join(cache, "npm")]);
  assert.equal(status, 0, `${cell.runtime}: ${output}`);
  cell.seconds = milliseconds / 1000;
}

/** Files of several names count once, as du(1) does it. */
function megabytes(path: string): number {
  const blocks = new Map(tree(path).map((file) => [lstatSync(file).ino, lstatSync(file).blocks]));
  return ([...blocks.values()].reduce((sum, size) => sum + size, 0) * 512) / 1e6;
}

const commandOf = (cell: Cell): [string, ...string[]] =>
  cell.isBun
    ? [runtimeOf(cell), "--", "node_modules/klee/dist/klee.cjs"]
    : [join(cell.project.directory, "node_modules/.bin/klee")];

test("installed by any Node and by Bun, with a compiler or without one, by root or not, klee runs as it is", {
  ...needs("root", "cgroup2", "overlay", "libnftables", "ip", "busybox"),
  timeout: 900_000,
}, async () => {
  const beginning = performance.now();
  release(packed);
  const all = cells();
  for (const cell of all.filter(({ hasCompiler }) => hasCompiler))
    for (const compiler of COMPILERS) assert.equal((await run(cell, "sh", ["-c", `command -v ${compiler}`])).status, 0);
  for (const cell of all.filter(({ hasCompiler }) => !hasCompiler))
    for (const compiler of COMPILERS)
      assert.notEqual((await run(cell, "sh", ["-c", `command -v ${compiler}`])).status, 0);
  // What is missing in the caches is downloaded once.
  const first = [all.find(({ isBun }) => isBun), all.find(({ isBun }) => !isBun)].filter((cell) => cell !== undefined);
  for (const cell of first) await install(cell);
  mkdirSync(caches.other);
  cpSync(caches.root, caches.other, { recursive: true, verbatimSymlinks: true });
  giveAway(caches.other);
  const rest = all.filter((cell) => !first.includes(cell));
  const worker = async () => {
    for (let cell = rest.shift(); cell !== undefined; cell = rest.shift()) await install(cell);
  };
  await Promise.all([worker(), worker()]);

  using machine = new Machine();
  const image = machine.folder("image");
  buildRoot(image, ["sh"]);
  machine.ok("image", "create", "dir", image, "-t", "base");
  machine.ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  console.log("RUNTIME       COMPILER  USER    INSTALLED  SIZE     --version  lsc     container");
  for (const cell of all) {
    const modules = join(cell.project.directory, "node_modules");
    const name = `${cell.runtime}, ${cell.hasCompiler ? "compiler" : "no compiler"}, ${cell.isRoot ? "root" : "user"}`;
    assert.ok(!readdirSync(join(modules, "klee/native")).includes("klee.node"), `${name}: compiled`);
    const targets = readdirSync(modules).filter((entry) => /^klee-(linux|freebsd)/.test(entry));
    // Not every npm tells one C library from the other; Bun takes a file whatever its manifest says.
    if (!cell.isBun) assert.match(targets.join(), /^klee-linux-x64-gnu(,klee-linux-x64-musl)?$/, name);
    assert.ok(targets.includes("klee-linux-x64-gnu"), name);
    const klee = (...args: string[]) => {
      const [command, ...before] = commandOf(cell);
      return run(cell, command, [...before, ...args], machine.environment());
    };
    // Again with what the first kept of the compiled form.
    for (const _ of ["first", "again"]) {
      const { status, output } = await klee("--version");
      assert.deepEqual([status, output], [0, "0.1.0\n"], name);
    }
    const version = await klee("--version");
    const lsc = await klee("lsc");
    const container = await klee("run", "--rm", "-n", "net", "base", "echo", "seen");
    if (cell.isRoot) {
      assert.equal(lsc.status, 0, `${name}: ${lsc.output}`);
      assert.match(lsc.output, /CONTAINER ID/, name);
      assert.equal(container.status, 0, `${name}: ${container.output}`);
      assert.match(container.output, /^seen$/m, name);
    } else
      for (const { status, output } of [lsc, container]) {
        assert.notEqual(status, 0, name);
        assert.match(output, /^klee: [^\n]*needs root[^\n]*\n$/, name);
      }
    const took = ({ milliseconds }: Ended) => `${milliseconds.toFixed(0)} ms`.padEnd(8);
    console.log(
      [
        cell.runtime.padEnd(14),
        (cell.hasCompiler ? "yes" : "no").padEnd(10),
        (cell.isRoot ? "root" : "other").padEnd(8),
        `${cell.seconds.toFixed(1)} s`.padEnd(11),
        `${megabytes(modules).toFixed(1)} MB`.padEnd(9),
        took(version).padEnd(11),
        took(lsc),
        cell.isRoot ? took(container).trimEnd() : "needs root",
      ].join(""),
    );
  }
  console.log(`${all.length} installations: ${((performance.now() - beginning) / 1000).toFixed(0)} s in all`);
});
