// The klee command in three files: klee.cjs, which is executed and loads the others; klee-program.cjs, all of the
// program; klee-program.cjs.compiled, what V8 makes of it, so that no command waits for the compiler.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import v8 from "node:v8";
import { Script } from "node:vm";
import { build } from "esbuild";

const require = createRequire(import.meta.url);

/** Node's modules that its own start does not load: each costs a millisecond or two, and few commands need any. */
const lateModules = /^(node:)?(child_process|crypto|http|net|os|stream|stream\/promises|tty|util|zlib)$/;

/** Loads each of them when something of it is used, not when the program starts. */
const lateBuiltins = {
  name: "late-builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: lateModules, namespace: "late" }, ({ path }) => ({ path, external: true }));
    onResolve({ filter: lateModules }, ({ path }) => ({ path: path.replace("node:", ""), namespace: "late" }));
    onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => {
      const getters = Object.keys(require(`node:${path}`)).map(
        (name) => `get ${JSON.stringify(name)}() { return load().${name} }`,
      );
      return { contents: `const load = () => require("node:${path}"); module.exports = { ${getters.join(", ")} }` };
    });
  },
};

/** sqlite3's addon is where its installation puts it: no search through a dozen other places. */
const sqliteAddon = {
  name: "sqlite-addon",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/sqlite3-binding\.js$/ }, () => ({ path: "sqlite3-addon", namespace: "addon" }));
    onLoad({ filter: /.*/, namespace: "addon" }, () => ({
      contents: `module.exports = require("sqlite3/build/Release/node_sqlite3.node")`,
    }));
  },
};

export async function bundle(root) {
  const common = { bundle: true, platform: "node", target: "node20", format: "cjs", logLevel: "warning" };
  const program = join(root, "dist/klee-program.cjs");
  await build({
    ...common,
    entryPoints: [join(root, "src/cli/main.ts")],
    outfile: program,
    external: ["koffi", "xz-decompress", "*.node"],
    plugins: [lateBuiltins, sqliteAddon],
    charset: "ascii",
    banner: { js: "(function (require, importMetaUrl) {" },
    footer: { js: "})" },
    define: { "import.meta.url": "importMetaUrl" },
  });
  const launcher = join(root, "dist/klee.cjs");
  await build({
    ...common,
    entryPoints: [join(root, "src/cli/launch.ts")],
    outfile: launcher,
    banner: { js: `#!/usr/bin/env node\nconst importMetaUrl = require("node:url").pathToFileURL(__filename).href;` },
    define: { "import.meta.url": "importMetaUrl" },
  });
  chmodSync(launcher, 0o755);
  writeFileSync(`${program}.compiled`, compile(program));
}

/** Every function, not only those that run first: which those are differs from command to command. */
function compile(program) {
  v8.setFlagsFromString("--no-lazy");
  const script = new Script(readFileSync(program, "latin1"), { filename: program });
  // V8 refuses what was compiled under other flags than its own.
  v8.setFlagsFromString("--lazy");
  return script.createCachedData();
}
