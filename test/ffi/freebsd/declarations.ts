import { readdirSync } from "node:fs";
import type { Ioctl } from "../../../src/ffi/ioc.ts";
import type { Struct } from "../../../src/ffi/struct.ts";

/** What one module of src/ffi/freebsd/abi declares. */
export interface AbiModule {
  readonly name: string;
  /** Headers to include, in order. */
  readonly headers: readonly string[];
  /** First release that has it all, where that is not the oldest one. */
  readonly since: string | undefined;
  /** First release that has it no more. */
  readonly until: string | undefined;
  readonly structs: readonly Struct[];
  readonly ioctls: readonly Ioctl[];
  /** C name to value. */
  readonly constants: Readonly<Record<string, number | bigint>>;
}

const directory = new URL("../../../src/ffi/freebsd/abi/", import.meta.url);

function isStruct(value: unknown): value is Struct {
  return typeof value === "object" && value !== null && "cName" in value && "fields" in value;
}

function isIoctl(value: unknown): value is Ioctl {
  return typeof value === "object" && value !== null && "cName" in value && "request" in value;
}

/** All declarations of the bindings, found by reading the modules: a new one is covered without being listed here. */
export async function readDeclarations(): Promise<AbiModule[]> {
  const modules: AbiModule[] = [];
  for (const name of readdirSync(directory).sort()) {
    const exported = (await import(new URL(name, directory).href)) as Record<string, unknown>;
    const structs: Struct[] = [];
    const ioctls: Ioctl[] = [];
    const constants: Record<string, number | bigint> = {};
    for (const [key, value] of Object.entries(exported)) {
      if (isStruct(value)) {
        if (value.cName !== `struct ${key}`) throw new Error(`abi/${name} exports ${value.cName} as ${key}`);
        structs.push(value);
      } else if (isIoctl(value)) {
        if (value.cName !== key) throw new Error(`abi/${name} exports ${value.cName} as ${key}`);
        ioctls.push(value);
      } else if (typeof value === "number" || typeof value === "bigint") constants[key] = value;
      else if (key === "errnoTable")
        for (const [number, [code]] of Object.entries(value as object)) constants[code] = Number(number);
      else if (!["headers", "since", "until"].includes(key))
        throw new Error(`abi/${name} exports ${key}, which no test covers`);
    }
    const headers = name === "errno.ts" ? ["sys/errno.h"] : (exported.headers as readonly string[] | undefined);
    if (headers === undefined) throw new Error(`abi/${name} does not say which headers declare what it exports`);
    const { since, until } = exported as { since?: string; until?: string };
    modules.push({ name, headers, since, until, structs, ioctls, constants });
  }
  return modules;
}
