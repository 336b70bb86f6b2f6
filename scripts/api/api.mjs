// The API reference of `klee`, `klee/ffi/linux` and `klee/ffi/freebsd`, in api/. With --check nothing is written: it fails
// unless each exported name is documented, each link leads somewhere, and nothing is referred to that is not exported.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const directory = dirname(fileURLToPath(import.meta.url));

const readJson = (path) => JSON.parse(readFileSync(join(directory, path), "utf8"));

function isInstalled([name, version]) {
  const path = `node_modules/${name}/package.json`;
  return existsSync(join(directory, path)) && readJson(path).version === version;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: directory, stdio: ["ignore", "inherit", "inherit"] });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

if (!Object.entries(readJson("package.json").dependencies).every(isInstalled))
  run("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"]);
const write = process.argv.includes("--check") ? ["--emit", "none"] : [];
run(process.execPath, ["node_modules/typedoc/bin/typedoc", "--logLevel", "Warn", ...write]);
