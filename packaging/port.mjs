// Writes the FreeBSD port into a ports tree: what is in freebsd/, and which node modules it fetches. Argument: the tree.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [, , tree] = process.argv;
if (tree === undefined) {
  console.error("klee: give the directory of a ports tree");
  process.exit(2);
}
const readJson = (name) => JSON.parse(readFileSync(join(root, name), "utf8"));
cpSync(join(root, "packaging/freebsd"), tree, { recursive: true });
const modules = join(tree, "sysutils/klee/files/packagejsons");
mkdirSync(modules, { recursive: true });
const { name, version, license, dependencies } = readJson("package.json");
const lock = readJson("package-lock.json");
// klee-ffi is in the program.
const { "klee-ffi": _, ...fetched } = dependencies;
const isOwn = (path) => ["", "node_modules/klee-ffi", "packages/ffi"].includes(path);
const runtime = Object.entries(lock.packages).filter(([path, { dev }]) => !isOwn(path) && dev !== true);
const own = { name, version, license, dependencies: fetched };
const write = (file, content) => writeFileSync(join(modules, file), `${JSON.stringify(content, undefined, 2)}\n`);
write("package.json", own);
write("package-lock.json", { ...lock, packages: { "": own, ...Object.fromEntries(runtime) } });
