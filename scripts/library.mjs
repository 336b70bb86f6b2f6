// The library of what tsc compiled: package klee-ffi of src/ffi, and klee of src/kleene, which uses the former as any other
// would; each as ES modules and, for `require` in a Node that cannot load those, in CommonJS.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build, transform } from "esbuild";
import { sqliteAddon } from "./sqlite.mjs";

/** The modules, by their paths in src/, that are of klee-ffi. */
const isFfi = (path) => path.startsWith("ffi/") || path === "clock.js" || path === "clock.d.ts";
const isKleene = (path) => path.startsWith("kleene/");
const SQLITE = "kleene/store/sqlite3.js";

/** Makes `dist/` of klee and of klee-ffi. */
export async function library(root) {
  const compiled = join(root, "dist/src");
  const files = readdirSync(compiled, { recursive: true }).filter((path) => /\.(js|d\.ts)$/.test(path));
  const ffi = join(root, "packages/ffi/dist");
  rmSync(ffi, { recursive: true, force: true });
  await emit(ffi, modulesOf(compiled, files.filter(isFfi)));
  const reexports = ["linux", "freebsd"].flatMap((system) =>
    ["js", "d.ts"].map((end) => [`ffi/${system}.${end}`, `export * from "klee-ffi/${system}";\n`]),
  );
  const sqlite = [SQLITE, await sqlite3(root)];
  await emit(join(root, "dist"), [...modulesOf(compiled, files.filter(isKleene)), ...reexports, sqlite]);
}

/** Their paths and texts; without maps, whose sources are in no package. */
function modulesOf(compiled, paths) {
  return paths.map((path) => {
    const text = readFileSync(join(compiled, path), "utf8").replace(/\n\/\/# sourceMappingURL=.*\n?$/, "\n");
    return [
      path,
      text.replace(/(\bfrom |\bimport\(?)"([^"\n]+)"/g, (_, before, name) => `${before}"${specifier(path, name)}"`),
    ];
  });
}

/** What a module names another in the package that it comes to lie in. */
function specifier(importer, name) {
  if (name === "sqlite3") return `./${relative(dirname(importer), SQLITE)}`;
  if (!name.startsWith(".")) return name;
  const path = join(dirname(importer), name);
  return isKleene(importer) && !isKleene(path)
    ? `klee-ffi/internal/${path.replace(/\.[jt]s$/, "")}`
    : name.replace(/\.ts$/, ".js");
}

async function emit(directory, modules) {
  const write = (form, path, text) => {
    const file = join(directory, form, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  write("cjs", "package.json", '{ "type": "commonjs" }\n');
  for (const [path, text] of modules) {
    write("esm", path, text);
    write("cjs", path, path.endsWith(".d.ts") ? text : await commonJs(text));
  }
}

async function commonJs(text) {
  const { code } = await transform(text, {
    format: "cjs",
    platform: "node",
    target: "node20",
    supported: { "dynamic-import": false },
    define: { "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
  });
  return code;
}

/** Node's own modules by `import`, since `require` is not there in an ES module. */
const builtins = {
  name: "builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(events|path|util)$/ }, ({ path }) => ({ path, namespace: "builtin" }));
    onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({ contents: `export * from "node:${path}";` }));
  },
};

/** sqlite3's JavaScript, with the addon of klee's native parts. */
async function sqlite3(root) {
  const { outputFiles } = await build({
    stdin: { contents: 'import sqlite3 from "sqlite3";\nexport default sqlite3;', resolveDir: root },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    write: false,
    logLevel: "warning",
    external: ["klee-ffi/*"],
    plugins: [builtins, sqliteAddon("klee-ffi/internal/ffi/addon")],
  });
  return outputFiles[0].text;
}
