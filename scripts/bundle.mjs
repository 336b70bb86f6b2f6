// The klee command: klee.cjs, which is executed and loads the rest; and program/, the program in parts, each loaded when the
// command first needs it.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build, transform } from "esbuild";
import { lateModules } from "./late.mjs";
import { partsOf } from "./parts.mjs";
import { sqliteAddon } from "./sqlite.mjs";

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

/**
 * Makes one module, `GROUP~`, of each group of late ones, and of what these alone import.
 *
 * @param common options of the build.
 */
async function late(root, common) {
  const groups = new Map(
    Object.entries(lateModules).flatMap(([group, files]) => files.map((file) => [join(root, "src", file), group])),
  );
  /** Imports of late modules become those of their group's. */
  const plugin = (isApart) => ({
    name: "late",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\..*\.ts$/ }, ({ path, resolveDir, importer }) => {
        const group = groups.get(join(resolveDir, path));
        return group !== undefined && isApart(importer, group) ? { path: `./${group}~.js`, external: true } : undefined;
      });
      onResolve({ filter: /^late:/ }, ({ path }) => ({ path: path.slice("late:".length), namespace: "late" }));
      onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => ({
        contents: lateModules[path].map((file) => `export * from "./src/${file}";`).join("\n"),
        resolveDir: root,
      }));
    },
  });
  const main = { in: join(root, "src/cli/main.ts"), out: "main" };
  const { metafile } = await build({
    ...common,
    entryPoints: [main],
    plugins: [...common.plugins, plugin(() => true)],
  });
  const outside = new Set(Object.keys(metafile.inputs).map((path) => join(root, path)));
  return {
    plugin: plugin((importer, group) => outside.has(importer) || ![undefined, group].includes(groups.get(importer))),
    entryPoints: [main, ...Object.keys(lateModules).map((group) => ({ in: `late:${group}`, out: `${group}~` }))],
  };
}

/** Two exports of one name would both be missing from the group's module, without a word. */
async function requireDistinctExports(root) {
  for (const [group, files] of Object.entries(lateModules)) {
    const entryPoints = files.map((file) => join(root, "src", file));
    const { metafile } = await build({ entryPoints, outdir: root, format: "esm", write: false, metafile: true });
    const names = Object.values(metafile.outputs).flatMap(({ exports }) => exports);
    const repeated = names.filter((name, index) => names.indexOf(name) !== index);
    if (repeated.length > 0) throw new Error(`scripts/late.mjs, ${group}: exported twice: ${repeated.join(", ")}`);
  }
}

export async function bundle(root) {
  const common = { bundle: true, platform: "node", target: "node20", logLevel: "warning" };
  await requireDistinctExports(root);
  const parts = {
    ...common,
    absWorkingDir: root,
    format: "esm",
    splitting: true,
    outdir: join(root, "dist/program"),
    write: false,
    metafile: true,
    external: ["koffi", "xz-decompress", "*.node"],
    plugins: [ownRequire, sqliteAddon(join(root, "src/ffi/addon.ts"))],
    define: { "import.meta": "importMeta" },
  };
  const { plugin, entryPoints } = await late(root, parts);
  const { outputFiles, metafile } = await build({ ...parts, entryPoints, plugins: [...parts.plugins, plugin] });
  const sources = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  // With what was compiled of the parts that they were.
  rmSync(join(root, "dist/program"), { recursive: true, force: true });
  mkdirSync(join(root, "dist/program"), { recursive: true });
  for (const [part, modules] of partsOf(metafile, "main.js")) {
    const functions = await Promise.all(modules.map((name) => moduleFunction(name, sources.get(name))));
    const path = join(root, "dist/program", part);
    writeFileSync(path, `({${functions.join(",\n")}})`);
  }
  const launcher = join(root, "dist/klee.cjs");
  await build({
    ...common,
    format: "cjs",
    entryPoints: [join(root, "src/cli/launch.ts")],
    outfile: launcher,
    // Node looks for an --env-file of its own in all that follows, were there no end of its options.
    banner: { js: "#!/usr/bin/env -S node --" },
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
