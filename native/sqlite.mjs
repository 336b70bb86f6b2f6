// Builds sqlite3's addon, which is C and C++ over Node-API: one for all Nodes of a target. From the sources in its npm
// package, as its own build does (binding.gyp, deps/sqlite3.gyp), but with zig's C++ library within.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sqlite3 = join(root, "node_modules/sqlite3");
const work = join(root, "native/target/sqlite");
/** node_api.h and uv.h, by the set-up. */
const headers = join(root, ".setup/node-headers/include/node");

const FEATURES = [
  ...["NDEBUG", "_REENTRANT=1", "SQLITE_THREADSAFE=1", "HAVE_USLEEP=1", "SQLITE_ENABLE_DBSTAT_VTAB=1"],
  ...["FTS3", "FTS4", "FTS5", "RTREE", "MATH_FUNCTIONS"].map((feature) => `SQLITE_ENABLE_${feature}`),
].map((name) => `-D${name}`);
/** The version of Node-API that sqlite3's package asks for, and no exceptions in C++. */
const NODE_API = ["-DNAPI_VERSION=6", "-DNAPI_DISABLE_CPP_EXCEPTIONS=1"];

/** @returns the directory of sqlite3.c. */
async function unpackSource() {
  const version = /'sqlite_version%':'(\d+)'/.exec(readFileSync(join(sqlite3, "deps/common-sqlite.gypi"), "utf8"))?.[1];
  const name = `sqlite-autoconf-${version}`;
  mkdirSync(work, { recursive: true });
  if (!existsSync(join(work, name, "sqlite3.c")))
    await run("tar", ["-xzf", join(sqlite3, `deps/${name}.tar.gz`), "-C", work]);
  return join(work, name);
}

/**
 * @param zig the program.
 * @param target zig's name of it.
 * @param output the file to make.
 */
export async function buildSqlite(zig, target, output) {
  const source = await unpackSource();
  const object = join(work, `sqlite3-${target}.o`);
  const common = ["-target", target, "-O2", "-fPIC", "-fvisibility=hidden", ...FEATURES, `-I${source}`];
  await run(zig, ["cc", ...common, "-std=c99", "-c", join(source, "sqlite3.c"), "-o", object]);
  const includes = [headers, join(root, "node_modules/node-addon-api")].map((path) => `-I${path}`);
  const addon = readdirSync(join(sqlite3, "src"))
    .filter((name) => name.endsWith(".cc"))
    .map((name) => join(sqlite3, "src", name));
  const linked = ["-std=c++17", "-fno-exceptions", "-Wno-unused-value", "-shared", "-s", ...addon, object];
  await run(zig, ["c++", ...common, ...NODE_API, ...includes, ...linked, "-o", output]);
}
