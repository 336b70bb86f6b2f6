// Run by npm when it has installed klee: where no package has native parts for this system, they are compiled here.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const ADDON = "build/Release/node_sqlite3.node";
const TOOLS = ["cargo", "cc", "c++", "make", "python3"];

async function isThere() {
  try {
    const { loadAddon } = await import("klee-ffi/internal/ffi/addon");
    for (const file of ["klee.node", "node_sqlite3.node"]) loadAddon(file);
    return true;
  } catch {
    return false;
  }
}

function fail(message) {
  console.error(`klee: ${message}`);
  process.exit(1);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (error) fail(`cannot run ${command}: ${error.message}`);
  if (status !== 0) fail(`${command} ${args.join(" ")} failed`);
}

/** A sqlite3 that is installed, with its addon; else one for the time being, which npm compiles. */
function sqlite3() {
  try {
    const installed = dirname(createRequire(import.meta.url).resolve("sqlite3/package.json"));
    if (existsSync(join(installed, ADDON))) return { directory: installed };
  } catch {
    // Nobody else needs it.
  }
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const temporary = join(root, "native/sqlite3");
  const npm = process.env.npm_execpath;
  const program = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  mkdirSync(temporary, { recursive: true });
  const options = ["--prefix", temporary, "--no-save", "--no-fund", "--no-audit", "--foreground-scripts"];
  const [command, ...args] = [...program, "install", ...options, `sqlite3@${devDependencies.sqlite3}`];
  run(command, args);
  return { directory: join(temporary, "node_modules/sqlite3"), temporary };
}

if (!(await isThere())) {
  const system = `${process.platform}-${process.arch}`;
  console.error(
    `klee: no native parts for ${system} are installed: compiling them, which takes some minutes and needs ${TOOLS.join(", ")}`,
  );
  const path = (process.env.PATH ?? "").split(":");
  const missing = TOOLS.filter((tool) => !path.some((directory) => existsSync(join(directory, tool))));
  if (missing.length > 0) fail(`missing: ${missing.join(", ")}`);
  const { directory, temporary } = sqlite3();
  // Where build.mjs takes it from, as in a checkout.
  const place = join(root, "node_modules/sqlite3/build/Release");
  const isElsewhere = join(directory, ADDON) !== join(place, "node_sqlite3.node");
  if (isElsewhere) cpSync(join(directory, ADDON), join(place, "node_sqlite3.node"));
  run(process.execPath, ["native/build.mjs"]);
  if (isElsewhere) rmSync(join(root, "node_modules/sqlite3"), { recursive: true });
  if (!(await isThere())) fail("what was compiled does not load");
  for (const made of [temporary, join(root, "native/target")]) if (made) rmSync(made, { recursive: true, force: true });
}
