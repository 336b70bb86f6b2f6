// The klee command: klee.cjs, which is executed and loads the rest; program/, the program in parts, each loaded when the
// command first needs it; and beside each part what V8 makes of it, so that no command waits for the compiler.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import v8 from "node:v8";
import { Script } from "node:vm";
import { build, transform } from "esbuild";
import { lateModules } from "./late.mjs";
import { partsOf } from "./parts.mjs";

/** A module's own `require` is that of klee.cjs; to make another takes Node half a millisecond. */
const ownRequire = {
  name: "own-require",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:module$/ }, () => ({ path: "require", namespace: "own" }));
    onLoad({ filter: /.*/, namespace: "own" }, () => ({
      contents: "const own = require; export const createRequire = () => own;",
    }));
  },
};

/** sqlite3's addon is where its installation puts it: no search elsewhere first. */
const sqliteAddon = {
  name: "sqlite-addon",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/sqlite3-binding\.js$/ }, () => ({ path: "sqlite3-addon", namespace: "addon" }));
    onLoad({ filter: /.*/, namespace: "addon" }, () => ({
      contents: 'module.exports = require("sqlite3/build/Release/node_sqlite3.node");',
    }));
  },
};

/** Makes modules of their own of the late ones. */
function late(root) {
  const names = new Map(
    Object.entries(lateModules).flatMap(([part, files]) =>
      files.map((file) => [join(root, "src", file), `${part}~${basename(file, ".ts")}`]),
    ),
  );
  const plugin = {
    name: "late",
    setup({ onResolve }) {
      onResolve({ filter: /^\..*\.ts$/ }, ({ path, resolveDir, kind }) => {
        const name = names.get(join(resolveDir, path));
        return name !== undefined && kind !== "entry-point" ? { path: `./${name}.js`, external: true } : undefined;
      });
    },
  };
  return { plugin, entryPoints: [...names].map(([path, out]) => ({ in: path, out })) };
}

export async function bundle(root) {
  const common = { bundle: true, platform: "node", target: "node20", logLevel: "warning" };
  const { plugin, entryPoints } = late(root);
  const { outputFiles, metafile } = await build({
    ...common,
    entryPoints: [{ in: join(root, "src/cli/main.ts"), out: "main" }, ...entryPoints],
    format: "esm",
    splitting: true,
    outdir: join(root, "dist/program"),
    write: false,
    metafile: true,
    external: ["koffi", "xz-decompress", "*.node"],
    plugins: [ownRequire, sqliteAddon, plugin],
    define: { "import.meta": "importMeta" },
  });
  const sources = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  mkdirSync(join(root, "dist/program"), { recursive: true });
  for (const [part, modules] of partsOf(metafile, "main.js")) {
    const functions = await Promise.all(modules.map((name) => moduleFunction(name, sources.get(name))));
    const path = join(root, "dist/program", part);
    writeFileSync(path, `({${functions.join(",\n")}})`);
    writeFileSync(`${path}.compiled`, compile(path));
  }
  const launcher = join(root, "dist/klee.cjs");
  await build({
    ...common,
    format: "cjs",
    entryPoints: [join(root, "src/cli/launch.ts")],
    outfile: launcher,
    banner: { js: "#!/usr/bin/env node" },
    define: { "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
  });
  chmodSync(launcher, 0o755);
}

/** A module as a property whose value is a function: see launch.ts. Its imports are calls of `require`. */
async function moduleFunction(name, source) {
  const { code } = await transform(source, {
    format: "cjs",
    target: "node20",
    charset: "ascii",
    supported: { "dynamic-import": false },
    minifySyntax: true,
    minifyWhitespace: true,
  });
  return `${JSON.stringify(`./${name}`)}(module, require, importMeta) {\n${code}}`;
}

/** Every function, not only those that run first: which those are differs from command to command. */
function compile(path) {
  v8.setFlagsFromString("--no-lazy");
  const script = new Script(readFileSync(path, "latin1"), { filename: path });
  // V8 refuses what was compiled under other flags than its own.
  v8.setFlagsFromString("--lazy");
  return script.createCachedData();
}
