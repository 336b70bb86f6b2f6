import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";

/**
 * The `klee` command's first file, a CommonJS one when it is built: runs the program in `program/` beside it. A part of
 * the program is loaded when a module of it is first asked for, and those that the build set apart (scripts/late.mjs)
 * when something of them is first used; with V8's compiled form of the part, if there is one that this very program of Node
 * made. The first command of root's makes it, as it ends. V8 does not see that another Node of a near version made it, and
 * crashes on it.
 */
type Body = (module: Module, require: (name: string) => unknown, importMeta: object) => void;
interface Module {
  exports: object;
}

/** `import.meta` of every module. */
const importMeta = {
  dirname: import.meta.dirname,
  filename: import.meta.filename,
  /** Calls what loads and runs a part, or loads an addon. The timeline puts itself in between. */
  loading: <T>(_name: string, load: () => T): T => load(),
  get url(): string {
    return pathToFileURL(import.meta.filename).href;
  },
};
/** This very program of Node, told from any other, of the same version too. */
const compiler = ((): string => {
  const { size, mtimeMs } = statSync(process.execPath);
  return [process.version, process.platform, process.arch, size, Math.floor(mtimeMs)].join("-");
})();
/** Who can write to the package as its owner; nobody else's files are ever read as code. */
const keepsCompiled =
  process.getuid?.() === 0 && statSync(import.meta.filename).uid === 0 && process.versions.bun === undefined;
/** The modules of all parts loaded so far. */
const bodies: Record<string, Body> = {};
/** Those of them that run or have run. */
const modules = new Map<string, Module>();

function requireModule(name: string): unknown {
  if (!name.startsWith("./"))
    return lateBuiltins.has(name.replace("node:", "")) ? late(() => require(name)) : requireForeign(name);
  // Once its part is there nothing is saved by waiting, and each use of a stand-in takes time.
  return name.includes("~") && !bodies[name] ? late(() => ownModule(name)) : ownModule(name);
}

/** An addon is mostly beside klee's other modules, and Node takes half a millisecond to find that out. */
function requireForeign(name: string): unknown {
  const beside = `${importMeta.dirname}/../node_modules/${name}`;
  if (!name.endsWith(".node") || !existsSync(beside)) return require(name);
  const module: Module = { exports: {} };
  importMeta.loading(name, () => process.dlopen(module, beside));
  return module.exports;
}

function ownModule(name: string): object {
  let module = modules.get(name);
  if (module === undefined) {
    module = { exports: {} };
    const made = module;
    const run = () => bodyOf(name)(made, requireModule, importMeta);
    modules.set(name, module);
    if (bodies[name] === undefined) importMeta.loading(name, run);
    else run();
  }
  return module.exports;
}

/** The first module of a part has the part's name, and is the first that anybody outside asks for. */
function bodyOf(name: string): Body {
  return bodies[name] ?? (Object.assign(bodies, loadPart(name))[name] as Body);
}

function loadPart(name: string): Record<string, Body> {
  const filename = `${importMeta.dirname}/program/${name.slice("./".length)}`;
  const cache = `${filename}.${compiler}.compiled`;
  const cachedData = compiled(cache);
  // The build writes ASCII alone: one byte is one character.
  const source = readFileSync(filename, "latin1");
  const script = new Script(source, { filename, ...(cachedData && { cachedData }) });
  const isMissing = cachedData === undefined || script.cachedDataRejected === true;
  if (isMissing && keepsCompiled) process.once("exit", () => keepCompiled(source, filename, cache));
  return script.runInThisContext();
}

function compiled(cache: string): Buffer | undefined {
  try {
    return readFileSync(cache);
  } catch {
    return undefined;
  }
}

/** Best effort. Every function is compiled, not only those that have run: which these are differs between commands. */
function keepCompiled(source: string, filename: string, cache: string): void {
  const begun = `${cache}.${process.pid}`;
  try {
    const { setFlagsFromString } = require("node:v8");
    setFlagsFromString("--no-lazy");
    // Under another name, since V8 keeps what it has compiled of this one, function by function.
    const script = new Script(source, { filename: `${filename} whole` });
    // V8 refuses what was compiled under other flags than its own.
    setFlagsFromString("--lazy");
    writeFileSync(begun, script.createCachedData(), { flag: "wx", mode: 0o644 });
    renameSync(begun, cache);
  } catch {
    rmSync(begun, { force: true });
  }
}

/**
 * Node's modules that its own start does not load: each costs up to two milliseconds, and few commands need any. Some are
 * named by libraries alone, child_process by commander, for commands that are programs of their own: klee has none.
 */
const lateBuiltins = new Set(
  "child_process crypto http net os process stream stream/promises stream/web timers/promises tty util zlib".split(" "),
);

/** Stands for a module until something of it is used. */
function late(load: () => object): object {
  return new Proxy(
    {},
    {
      get: (_, property) => Reflect.get(load(), property),
      has: (_, property) => Reflect.has(load(), property),
      ownKeys: () => Reflect.ownKeys(load()),
      // The proxy's target has no properties, so they may not be called fixed.
      getOwnPropertyDescriptor: (_, property) => {
        const descriptor = Reflect.getOwnPropertyDescriptor(load(), property);
        return descriptor && { ...descriptor, configurable: true };
      },
    },
  );
}

requireModule("./main.js");
