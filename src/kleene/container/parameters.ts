/** What a container has when its creator says nothing else, as jail.conf(5) names it. */
export const DEFAULT_PARAMETERS: readonly string[] = ["mount.devfs", 'exec.stop="/bin/sh /etc/rc.shutdown jail"'];

/** Jail parameters with others added, in place of those of the same name and of its `no` form. */
export function replaceParameters(parameters: readonly string[], by: readonly string[]): string[] {
  const names = new Set(by.map(nameOf));
  const replaced = (name: string): boolean => [name, ...opposites(name)].some((form) => names.has(form));
  return [...parameters.filter((parameter) => !replaced(nameOf(parameter))), ...by];
}

const nameOf = (parameter: string): string => (parameter.split("=")[0] ?? "").trim();

/** `mount.devfs` -> `mount.nodevfs`; what looks like such a form is taken for one as well. */
const opposites = (name: string): string[] => [
  name.replace(/([^.]*)$/, "no$1"),
  name.replace(/(^|\.)no([^.]*)$/, "$1$2"),
];
