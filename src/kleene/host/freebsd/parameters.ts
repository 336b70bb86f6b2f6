import * as jail from "../../../ffi/freebsd/jail.ts";
import type { HostParameters, ParameterKind } from "../parameters.ts";

/** Parameters that klee sets itself, or whose meaning in a container it decides. */
const RESERVED = /^(jid|name|path|parent|dying|desc|persist|vnet|ip4|ip6|host|cpuset|children\.cur|meta|env)(\.|$)/;

const kinds: Readonly<Partial<Record<jail.JailParameter["type"], ParameterKind>>> = {
  bool: "boolean",
  string: "text",
  sys: "jailsys",
  int: "number",
};

/** All that jail(8) has of the kernel's: `allow.*`, `enforce_statfs`, `devfs_ruleset`, `securelevel`, `sysvshm`, `children.max`. */
export const freebsdParameters: HostParameters = (name) => {
  if (RESERVED.test(name) && name !== "host.domainname") return undefined;
  const parameter = jail.jailParameter(name);
  return parameter === undefined || parameter.settable === "never" ? undefined : kinds[parameter.type];
};
