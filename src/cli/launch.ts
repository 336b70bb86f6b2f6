import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";

/**
 * The `klee` command's first file, a CommonJS one when it is built: runs the program in `program/` beside it. A part of
 * the program is loaded when a module of it is first asked for, and those that the build set apart (scripts/late.mjs)
 * when something of them is first used; with V8's compiled form of the part, which the build made. V8 refuses what
 * another version of Node compiled, and then compiles the part itself, as it does when there is none.
 */
type Body = (module: Module, require: (name: string) => unknown, importMeta: object) => void;
interface Module {
  exports: object;
}

/** `import.meta` of every module. */
const importMeta = {
  dirname: import.meta.dirname,
  filename: import.meta.filename,
  /** Calls what loads a part. The timeline puts itself in between. */
  loading: <T>(load: () => T): T => load(),
  get url(): string {
    return pathToFileURL(import.meta.filename).href;
  },
};
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
  process.dlopen(module, beside);
  return module.exports;
}

function ownModule(name: string): object {
  let module = modules.get(name);
  if (module === undefined) {
    module = { exports: {} };
    modules.set(name, module);
    bodyOf(name)(module, requireModule, importMeta);
  }
  return module.exports;
}

/** The first module of a part has the part's name, and is the first that anybody outside asks for. */
function bodyOf(name: string): Body {
  const load = (): Record<string, Body> => loadPart(`${importMeta.dirname}/program/${name.slice("./".length)}`);
  return bodies[name] ?? (Object.assign(bodies, importMeta.loading(load))[name] as Body);
}

function loadPart(filename: string): Record<string, Body> {
  const cachedData = compiled(filename);
  // The build writes ASCII alone: one byte is one character.
  const script = new Script(readFileSync(filename, "latin1"), { filename, ...(cachedData && { cachedData }) });
  return script.runInThisContext();
}

function compiled(filename: string): Buffer | undefined {
  try {
    return readFileSync(`${filename}.compiled`);
  } catch {
    return undefined;
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
