// Builds all that klee runs from: the native part, the CLI bundle, and the library with its types. Incremental.
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run(process.execPath, ["native/build.mjs"]);
rmSync(join(root, "dist"), { recursive: true, force: true });
run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]);
await build({
  entryPoints: [join(root, "src/cli/main.ts")],
  outfile: join(root, "dist/klee.cjs"),
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  // Native modules are loaded from node_modules; everything else is in the one file.
  external: ["koffi", "sqlite3"],
  banner: { js: `#!/usr/bin/env node\nconst importMetaUrl = require("node:url").pathToFileURL(__filename).href;` },
  define: { "import.meta.url": "importMetaUrl" },
  logLevel: "warning",
});
chmodSync(join(root, "dist/klee.cjs"), 0o755);
