// Packs what is published: klee, JavaScript alone; klee-ffi; and one package of native parts for each target, of which npm
// installs those that are for the system. Into release/, or where --into says, with a line for each: name, version, target, size, SHA-256.
// What is packed must be built: `npm run release` does both. Arguments: --into DIRECTORY; targets, if not all.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FILES, TARGETS } from "../native/targets.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values, positionals } = parseArgs({
  options: { into: { type: "string" }, "refuse-pack": { type: "boolean" } },
  allowPositionals: true,
});
const release = resolve(values.into ?? join(root, "release"));

if (values["refuse-pack"]) {
  console.error("klee: not packed alone: `npm run release` packs klee with the packages that it needs, into release/");
  process.exit(1);
}

const readJson = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));
const manifest = readJson("package.json");
const ffi = readJson("packages/ffi/package.json");
const { version, license, engines } = manifest;
if (ffi.version !== version || manifest.dependencies["klee-ffi"] !== version)
  throw new Error(`klee ${version} and klee-ffi ${ffi.version} must be of one version`);

function writeManifest(directory, content) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "package.json"), `${JSON.stringify(content, null, 2)}\n`);
  copyFileSync(join(root, "LICENSE"), join(directory, "LICENSE"));
}

/** klee's own, without what only its developers need; it finds its native parts by these names. */
function stageKlee(directory) {
  const { private: _, workspaces, scripts, devDependencies, allowScripts, napi, ...published } = manifest;
  const optionalDependencies = Object.fromEntries(Object.keys(TARGETS).map((target) => [`klee-${target}`, version]));
  const { sqlite3 } = devDependencies;
  writeManifest(directory, {
    ...published,
    scripts: { install: "node native/install.mjs" },
    optionalDependencies,
    // For native/install.mjs; npm installs nothing of it.
    devDependencies: { sqlite3 },
  });
  for (const entry of manifest.files.filter((path) => !path.includes("*")))
    cpSync(join(root, entry), join(directory, entry), { recursive: true });
  const own = (path) => !path.endsWith(".compiled");
  cpSync(join(root, "dist/program"), join(directory, "dist/program"), { recursive: true, filter: own });
  copyFileSync(join(root, "README.md"), join(directory, "README.md"));
}

function stageFfi(directory) {
  writeManifest(directory, ffi);
  for (const entry of ["README.md", "dist"])
    cpSync(join(root, "packages/ffi", entry), join(directory, entry), { recursive: true });
}

function stageTarget(directory, target) {
  const { os, cpu, libc } = TARGETS[target];
  const name = `klee-${target}`;
  writeManifest(directory, {
    name,
    version,
    description: `Native parts of klee for ${target}: addon, supervisor, and the addon of sqlite3`,
    license: `${license} AND BSD-3-Clause`,
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    files: [...FILES, "LICENSE-sqlite3"],
  });
  copyFileSync(join(root, "node_modules/sqlite3/LICENSE"), join(directory, "LICENSE-sqlite3"));
  for (const file of FILES) {
    const built = join(root, "native/prebuilt", target, file);
    if (!existsSync(built)) throw new Error(`native/prebuilt/${target}/${file} is not built`);
    copyFileSync(built, join(directory, file));
    chmodSync(join(directory, file), file === "klee-supervisor" ? 0o755 : 0o644);
  }
}

function pack(directory) {
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", release];
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: directory, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm pack failed for ${directory}: ${stderr}`);
  const output = JSON.parse(stdout);
  // A list, or, by newer releases, an object by name.
  const [{ filename }] = Object.values(output);
  return filename;
}

rmSync(release, { recursive: true, force: true });
const staged = [
  ["klee", "any", stageKlee],
  ["klee-ffi", "any", stageFfi],
];
for (const target of positionals.length > 0 ? positionals : Object.keys(TARGETS))
  staged.push([`klee-${target}`, target, stageTarget]);
const rows = staged.map(([name, target, stage]) => {
  const directory = join(release, "staged", name);
  stage(directory, target);
  const file = pack(directory);
  const bytes = readFileSync(join(release, file));
  const digest = createHash("sha256").update(bytes).digest("hex");
  return [name, version, target, String(bytes.length), digest];
});
rmSync(join(release, "staged"), { recursive: true });
const head = ["NAME", "VERSION", "TARGET", "BYTES", "SHA256"];
const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
for (const row of [head, ...rows])
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd(),
  );
writeFileSync(
  join(release, "SHA256SUMS"),
  rows.map(([name, , , , digest]) => `${digest}  ${name}-${version}.tgz\n`).join(""),
);
