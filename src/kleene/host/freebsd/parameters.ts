import { sysctl } from "../../../ffi/freebsd/index.ts";
import { lazy } from "../../../ffi/library.ts";
import type { HostParameters, ParameterKind } from "../parameters.ts";

const NODE = "security.jail.param";
/** Parameters that klee sets itself, or whose meaning in a container it decides. */
const RESERVED = /^(jid|name|path|parent|dying|desc|persist|vnet|ip4|ip6|host|cpuset|children\.cur)(\.|$)/;

/** The kernel's own parameters by name; sysctl(3), security.jail.param. */
const kernelParameters = lazy((): ReadonlyMap<string, ParameterKind> => {
  const kinds = sysctl.sysctlVariables(NODE).flatMap(({ name, type, format }): [string, ParameterKind][] => {
    // One that has others below it ends with a dot.
    const parameter = name.slice(NODE.length + 1).replace(/\.$/, "");
    const kind = kindOf(type, format);
    return kind === undefined || (RESERVED.test(parameter) && parameter !== "host.domainname")
      ? []
      : [[parameter, kind]];
  });
  return new Map(kinds);
});

function kindOf(type: number, format: string): ParameterKind | undefined {
  if (format === "B") return "boolean";
  if (format === "A") return "text";
  if (format === "E,jailsys") return "jailsys";
  return format === "I" && type === sysctl.CTLTYPE_INT ? "number" : undefined;
}

/** All that jail(8) has of the kernel's: `allow.*`, `enforce_statfs`, `devfs_ruleset`, `securelevel`, `sysvshm`, `children.max`. */
export const freebsdParameters: HostParameters = (name) => kernelParameters().get(name);
