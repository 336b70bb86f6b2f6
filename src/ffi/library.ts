import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type koffi from "koffi";
import { traceCall, traceStart } from "./trace.ts";

type Koffi = typeof koffi;
/** A C library opened by koffi. */
export type Library = ReturnType<Koffi["load"]>;
/** A C function bound by koffi. Declare its TypeScript shape where it is bound. */
export type CFunction = ReturnType<Library["func"]>;

const require = createRequire(import.meta.filename ?? __filename);
let loadedKoffi: Koffi | undefined;

/** koffi itself, loaded on first use: a command that makes no kernel call does not pay for it. */
export function getKoffi(): Koffi {
  loadedKoffi ??= loadKoffi();
  return loadedKoffi;
}

/** koffi's own loader takes some 4 ms to find its addon; it is asked only where the addon is not in the usual place. */
function loadKoffi(): Koffi {
  const { platform, arch } = process;
  try {
    return require(`@koromix/koffi-${platform}-${arch}/${platform}_${arch}/koffi.node`) as Koffi;
  } catch {
    return require("koffi") as Koffi;
  }
}

/** No candidate of a library could be opened. */
export class LibraryError extends Error {
  override readonly name = "LibraryError";
  readonly candidates: readonly string[];
  /** None of them is there; else the loader failed for another reason. */
  readonly isMissing: boolean;

  constructor(what: string, candidates: readonly string[], reasons: readonly string[]) {
    super(`cannot load ${what} (tried ${candidates.join(", ")}): ${reasons.at(-1) ?? "no candidate"}`);
    this.candidates = candidates;
    this.isMissing = reasons.every((reason) => /no such file/i.test(reason));
  }
}

/**
 * Opens the first library that loads, dlopen(3).
 *
 * @param what the library's common name, for the error.
 * @param candidates file names or absolute paths, tried in order. An absolute path that does not exist is passed over.
 * @throws {LibraryError} with the loader's own words when none loads.
 */
export function openLibrary(what: string, candidates: readonly string[]): Library {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    if (candidate.startsWith("/") && !existsSync(candidate)) {
      reasons.push(`${candidate}: no such file`);
      continue;
    }
    try {
      const koffi = getKoffi();
      const startedAt = traceStart();
      const library = koffi.load(candidate);
      traceCall("dlopen", candidate, 0, startedAt);
      return library;
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new LibraryError(what, candidates, reasons);
}

/** A function that is computed once, on first call. */
export function lazy<T>(make: () => T): () => T {
  let value: { readonly of: T } | undefined;
  return () => {
    value ??= { of: make() };
    return value.of;
  };
}

/** errno of the last C call made through koffi on this thread. Read it at once after the call. */
export function lastErrno(): number {
  return getKoffi().errno();
}

/** Address of a Buffer's first byte, for a pointer inside a struct. The Buffer must outlive the call that uses it. */
export function addressOf(buffer: Uint8Array): bigint {
  return BigInt(getKoffi().address(buffer));
}
