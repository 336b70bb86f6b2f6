/** The library as other programs have it: imported, required, bundled; and its types. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { needs } from "../support/gate.ts";
import { ended, npmProgram, Project, packageRoot, release } from "../support/packages.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** The oldest, where `require` loads no ES module, and one where it does. Put there by the set-up. */
const NODES = ["20.17.0", "24.22.3"].map((version) => join(packageRoot, `.setup/node-${version}-x64/bin/node`));
const [OLDEST = "", LATEST = ""] = NODES;
const EXPORTS = ["klee", "klee/ffi/linux", "klee/ffi/freebsd", "klee-ffi/linux", "klee-ffi/freebsd"];

const temporary = temporaryDirectory();
after(() => temporary[Symbol.dispose]());
const packed = join(temporary.path, "packed");
const project = new Project(join(temporary.path, "klee"), packed);

async function install(one: Project): Promise<void> {
  const cache = join(packageRoot, ".setup/installers/npm");
  const { status, output } = await ended(process.execPath, [npmProgram, "install", "--cache", cache], {
    cwd: one.directory,
    env: { PATH: process.env.PATH, HOME: one.home },
  });
  assert.equal(status, 0, output);
}

before(async () => {
  release(packed);
  project.writeManifest("npm");
  await install(project);
});

function node(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: project.directory,
    encoding: "utf8",
    env: { PATH: process.env.PATH, KLEE_ROOT: join(temporary.path, "store") },
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  return stdout;
}

test("require gives what import gives", () => {
  const names = `const names = (one) => Object.keys(one).filter((name) => !/^(default|module.exports|__esModule)$/.test(name)).sort();`;
  for (const program of NODES) {
    const all = (load: string) =>
      `${names} Promise.all(${JSON.stringify(EXPORTS)}.map(${load})).then((each) => console.log(JSON.stringify(each.map(names))));`;
    const imported = node(program, "-e", all("(name) => import(name)"));
    for (const each of JSON.parse(imported) as string[][]) assert.ok(each.length > 3, imported);
    assert.equal(node(program, "-e", all("(name) => require(name)")), imported);
  }
});

test("klee's errors of the kernel are those of klee-ffi, and where Node can, both ways load one module", () => {
  const same = (one: string, other: string) => `console.log(${one}.SyscallError === ${other}.SyscallError);`;
  for (const program of NODES)
    assert.equal(node(program, "-e", same('require("klee/ffi/linux")', 'require("klee-ffi/freebsd")')), "true\n");
  const both = same('require("klee-ffi/linux")', "one");
  assert.equal(node(LATEST, "-e", `import("klee-ffi/linux").then((one) => { ${both} });`), "true\n");
});

for (const format of ["esm", "cjs"] as const)
  test(`a bundle of all of it runs beside the installed packages: ${format}`, needs("root", "cgroup2"), async () => {
    const outfile = join(project.directory, "built", format === "esm" ? "program.mjs" : "program.cjs");
    const { warnings } = await build({
      stdin: {
        contents: `import { openKlee } from "klee";
          import { LibraryError } from "klee/ffi/linux";
          import { link, LibraryError as same } from "klee-ffi/linux";
          import { jail } from "klee-ffi/freebsd";
          openKlee().then(async (klee) => {
            const images = await klee.images.list();
            await klee.close();
            console.log(images.length, typeof link.listLinks, typeof jail, same === LibraryError);
          });`,
        resolveDir: project.directory,
      },
      bundle: true,
      platform: "node",
      format,
      outfile,
      logLevel: "silent",
    });
    assert.deepEqual(warnings, []);
    for (const program of NODES) assert.equal(node(program, outfile), "0 function object true\n");
  });

test("the types of every export serve programs of either kind", () => {
  mkdirSync(join(project.directory, "node_modules/@types"), { recursive: true });
  symlinkSync(join(packageRoot, "node_modules/@types/node"), join(project.directory, "node_modules/@types/node"));
  symlinkSync(join(packageRoot, "node_modules/undici-types"), join(project.directory, "node_modules/undici-types"));
  for (const file of ["one.mts", "one.cts"])
    writeFileSync(
      join(project.directory, file),
      `import { openKlee, KleeError } from "klee";
       import { SyscallError } from "klee/ffi/linux";
       import { SyscallError as same } from "klee-ffi/freebsd";
       export const open: Promise<readonly unknown[]> = openKlee().then((klee) => klee.images.list());
       export const error: SyscallError | KleeError | undefined = undefined as same | undefined;
       // @ts-expect-error: a string is no option
       openKlee({ root: 1 });\n`,
    );
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
  const compiler = join(packageRoot, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...options, "one.mts", "one.cts"], {
    cwd: project.directory,
    encoding: "utf8",
  });
  assert.deepEqual([status, stdout], [0, ""]);
});

test("klee-ffi by itself is koffi and no more", async () => {
  const alone = new Project(join(temporary.path, "alone"), packed);
  alone.writeFfiManifest();
  await install(alone);
  const installed = readdirSync(join(alone.directory, "node_modules")).filter((name) => !name.startsWith("."));
  assert.deepEqual(installed, ["@koromix", "klee-ffi", "koffi"]);
  const { status, stdout, stderr } = spawnSync(
    OLDEST,
    [
      "-e",
      'const { link, netlink } = require("klee-ffi/linux"); console.log(Object.keys(link).includes("listLinks"), typeof netlink);',
    ],
    { cwd: alone.directory, encoding: "utf8" },
  );
  assert.deepEqual([status, stdout], [0, "true object\n"], stderr);
});
