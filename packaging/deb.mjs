// Builds the Debian package of this checkout, which must be built, in a directory of its own. Argument: where the package goes.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = resolve(process.argv[2] ?? ".");
const directory = mkdtempSync(join(tmpdir(), "klee-deb-"));
try {
  const source = join(directory, "klee");
  const native = ["klee.node", "klee-supervisor", "node_sqlite3.node"].map((name) => `native/${name}`);
  const needed = ["dist", "docs", "etc", ...native, "package.json"];
  const modules = ["@koromix", "koffi", "xz-decompress"].map((name) => `node_modules/${name}`);
  for (const path of [...needed, ...modules, "README.md", "CHANGELOG.md", "LICENSE"])
    cpSync(join(root, path), join(source, path), { recursive: true });
  cpSync(join(root, "packaging/debian"), join(source, "debian"), { recursive: true });
  // What builds it may come from elsewhere than from Debian's packages.
  const { status, error } = spawnSync("dpkg-buildpackage", ["-b", "-us", "-uc", "-d"], {
    cwd: source,
    stdio: "inherit",
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(directory).filter((name) => name.endsWith(".deb")))
    cpSync(join(directory, name), join(target, name));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
