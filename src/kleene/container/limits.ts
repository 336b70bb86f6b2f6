import { KleeError } from "../errors.ts";
import type { CreateContainer, Limits } from "../model.ts";
import { type Row, text } from "../store/store.ts";

export const UNLIMITED: Limits = { cpus: null, memory: null, pids: null, ports: null };

/** A shell alone takes more than this. */
const MEMORY_MIN = 1 << 20;
const factors: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

const parsers: Readonly<Record<keyof Limits, (word: string) => number>> = {
  cpus: parseCpus,
  memory: parseMemory,
  pids: parsePids,
  ports: parsePorts,
};

/**
 * Reads a limit; undefined and empty: none.
 * @throws {KleeError} INVALID.
 */
export function parseLimit(limit: keyof Limits, word: string | undefined): number | null {
  return word === undefined || word === "" ? null : parsers[limit](word);
}

/**
 * Reads the limits of a request.
 * @throws {KleeError} INVALID.
 */
export function parseLimits({ cpus, memory, pids, ports }: Pick<CreateContainer, keyof Limits>): Limits {
  return {
    cpus: parseLimit("cpus", cpus),
    memory: parseLimit("memory", memory),
    pids: parseLimit("pids", pids),
    ports: parseLimit("ports", ports),
  };
}

function parseCpus(word: string): number {
  const cpus = /^\d{1,4}(\.\d{1,3})?$/.test(word) ? Number(word) : 0;
  // The kernels count in hundredths.
  if (cpus < 0.01) throw invalid("a number of processors", word, "a number such as 0.5 or 2, at least 0.01");
  return cpus;
}

function parseMemory(word: string): number {
  const [, count = "0", suffix = ""] = /^(\d{1,12})([kmg]?)b?$/i.exec(word) ?? [];
  const bytes = Number(count) * (factors[suffix.toLowerCase()] ?? 0);
  if (bytes < MEMORY_MIN || !Number.isSafeInteger(bytes))
    throw invalid("an amount of memory", word, "bytes, or with a suffix k, m or g, at least 1m");
  return bytes;
}

function parsePids(word: string): number {
  const pids = /^\d{1,7}$/.test(word) ? Number(word) : 0;
  if (pids < 1) throw invalid("a number of processes", word, "a number, at least 1");
  return pids;
}

function parsePorts(word: string): number {
  const ports = /^\d{1,7}$/.test(word) ? Number(word) : 0;
  if (ports < 1) throw invalid("a number of ports", word, "a number, at least 1");
  return ports;
}

const invalid = (what: string, word: string, remedy: string): KleeError =>
  new KleeError("INVALID", `${JSON.stringify(word)} is not ${what}: give ${remedy}`);

/** Limits as the store has them. */
export function storedLimits(row: Row): Limits {
  return { ...UNLIMITED, ...(JSON.parse(text(row, "limits")) as Partial<Limits>) };
}
