import assert from "node:assert/strict";
import { type SpawnOptionsWithoutStdio, spawn, spawnSync } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TARGETS } from "../../native/targets.mjs";

export const packageRoot = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
export const targetNames: readonly string[] = Object.keys(TARGETS);

/** What `npm run release` packs and prints, of what is built. */
export function release(directory: string): string {
  const argv = [join(packageRoot, "scripts/release.mjs"), "--into", directory];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

export interface Ended {
  readonly status: number | null;
  readonly output: string;
  readonly milliseconds: number;
}

/** Runs a program to its end, with both its outputs as one. */
export function ended(command: string, args: readonly string[], options: SpawnOptionsWithoutStdio): Promise<Ended> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, options);
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("error", reject);
    child.once("close", (status) =>
      resolve({ status, output: Buffer.concat(chunks).toString(), milliseconds: performance.now() - startedAt }),
    );
  });
}

const npmSetting = (name: string): string =>
  spawnSync("npm", ["config", "get", name], { cwd: packageRoot, encoding: "utf8" }).stdout.trim();
/** By what way this machine reaches the registry, which an empty home does not tell. */
const settings = ((): string => {
  const lines = [`registry=${npmSetting("registry")}`];
  const authority = npmSetting("cafile");
  if (!["", "null", "undefined"].includes(authority)) lines.push(`cafile=${authority}`);
  return `${lines.join("\n")}\nfund=false\naudit=false\nupdate-notifier=false\n`;
})();

/** An empty project, in a directory with an empty home, that wants klee of the packed files. */
export class Project {
  readonly directory: string;
  readonly home: string;
  readonly #packed: string;

  /** @param packed the directory of a release. */
  constructor(directory: string, packed: string) {
    this.directory = join(directory, "project");
    this.home = join(directory, "home");
    this.#packed = packed;
    for (const made of [this.directory, this.home]) mkdirSync(made, { recursive: true });
    writeFileSync(join(this.directory, ".npmrc"), settings);
  }

  #file(name: string): string {
    return `file:${join(this.#packed, `${name}-${version}.tgz`)}`;
  }

  /** In place of a registry that has all of a release; a target that is not this machine's is left out by its manifest. */
  writeManifest(installer: "npm" | "bun"): void {
    const [klee, ffi] = [this.#file("klee"), this.#file("klee-ffi")];
    const targets = Object.fromEntries(targetNames.map((target) => [`klee-${target}`, this.#file(`klee-${target}`)]));
    const manifest =
      installer === "npm"
        ? { dependencies: { klee, "klee-ffi": ffi }, optionalDependencies: targets }
        : { dependencies: { klee }, overrides: { "klee-ffi": ffi, ...targets } };
    writeFileSync(join(this.directory, "package.json"), JSON.stringify(manifest));
  }

  /** Wants klee-ffi alone. */
  writeFfiManifest(): void {
    const manifest = { dependencies: { "klee-ffi": this.#file("klee-ffi") } };
    writeFileSync(join(this.directory, "package.json"), JSON.stringify(manifest));
  }
}

/** npm's program, to be run by any Node. */
export const npmProgram = ((): string => {
  const found = spawnSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).stdout.trim();
  return realpathSync(found);
})();

/** A directory for PATH with these programs alone, for users who may not look into the set-up's directory. */
export function programs(directory: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(directory, { recursive: true });
  for (const [name, file] of Object.entries(files)) {
    try {
      linkSync(realpathSync(file), join(directory, name));
    } catch {
      copyFileSync(file, join(directory, name));
    }
  }
  return directory;
}
