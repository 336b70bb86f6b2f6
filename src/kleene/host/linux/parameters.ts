import { KleeError } from "../../errors.ts";
import type { JailParameters } from "../host.ts";

/** The jail(8) parameters that have a meaning on Linux: `boolean` ones have a `no` form, `text` ones a value. */
const available = {
  "allow.raw_sockets": "boolean",
  "host.hostname": "text",
  persist: "boolean",
  "mount.devfs": "boolean",
  "exec.clean": "boolean",
  "exec.stop": "text",
  "exec.jail_user": "text",
} as const;
type Name = keyof typeof available;

const isAvailable = (name: string): name is Name => Object.hasOwn(available, name);

/**
 * Types `-J` parameters as jail(8) reads them: `name`, `name=value`, `noname`, the value in quotes or not. The last of
 * several wins.
 * @throws {KleeError} INVALID for a malformed one, UNSUPPORTED for one that Linux does not have.
 */
export function parseParameters(parameters: readonly string[], defaultHostname: string): JailParameters {
  const flags = new Map<Name, boolean>();
  const texts = new Map<Name, string>();
  for (const parameter of parameters) {
    const { name, negated, value } = split(parameter);
    if (available[name] === "boolean") flags.set(name, readBoolean(parameter, negated, value));
    else texts.set(name, readText(parameter, name, negated, value));
  }
  return {
    rawSockets: flags.get("allow.raw_sockets") ?? false,
    hostname: texts.get("host.hostname") ?? defaultHostname,
    persist: flags.get("persist") ?? false,
    mountDevfs: flags.get("mount.devfs") ?? false,
    execClean: flags.get("exec.clean") ?? true,
    execStop: texts.get("exec.stop") ?? "",
    jailUser: texts.get("exec.jail_user"),
  };
}

interface Parameter {
  readonly name: Name;
  readonly negated: boolean;
  readonly value: string | undefined;
}

function split(parameter: string): Parameter {
  const match = /^\s*([a-z0-9_]+(?:\.[a-z0-9_]+)*)\s*(?:=(.*))?$/s.exec(parameter);
  const [, name = "", rawValue] = match ?? [];
  if (match === null) throw malformed(parameter, "give NAME or NAME=VALUE");
  const value = rawValue === undefined ? undefined : unquote(rawValue.trim());
  if (isAvailable(name)) return { name, negated: false, value };
  // `allow.noraw_sockets`, `nopersist`: "no" before the last component.
  const positive = name.replace(/(^|\.)no([^.]*)$/, "$1$2");
  // `exec.nostop` is jail(8)'s way to say: no such command.
  if (isAvailable(positive)) return { name: positive, negated: true, value };
  throw new KleeError("UNSUPPORTED", `jail parameter ${name} is not available on Linux`);
}

function readBoolean(parameter: string, negated: boolean, value: string | undefined): boolean {
  if (value === undefined) return !negated;
  if (negated) throw malformed(parameter, "a 'no' form takes no value");
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw malformed(parameter, "the value is true or false");
}

function readText(parameter: string, name: Name, negated: boolean, value: string | undefined): string {
  if (negated && value === undefined && name === "exec.stop") return "";
  if (negated || value === undefined || value.includes("\0")) throw malformed(parameter, `give ${name}=VALUE`);
  if (name === "host.hostname" && !/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?$/.test(value))
    throw malformed(parameter, "a host name has letters, digits, '.' and '-', 64 at most");
  if (name === "exec.jail_user" && value === "") throw malformed(parameter, `give ${name}=USER`);
  return value;
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/s.exec(value);
  return quoted?.[2] ?? value;
}

function malformed(parameter: string, why: string): KleeError {
  return new KleeError("INVALID", `invalid jail parameter ${JSON.stringify(parameter)}: ${why}`);
}
