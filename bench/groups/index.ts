import type { Group } from "./group.ts";

/** The groups in the order in which they run, loaded only in the process that measures one. */
export const groups = {
  alias: async () => (await import("./alias.ts")).alias,
  freebsd: async () => (await import("./freebsd.ts")).freebsd,
  pf: async () => (await import("./pf.ts")).pfTransaction,
  firewall: async () => (await import("./firewall.ts")).firewall,
  allocation: async () => (await import("./allocation.ts")).allocation,
  start: async () => (await import("./start.ts")).start,
  command: async () => (await import("./command.ts")).command,
  output: async () => (await import("./output.ts")).output,
  startup: async () => (await import("./startup.ts")).startup,
  scale: async () => (await import("./scale.ts")).scale,
  traffic: async () => (await import("./traffic.ts")).traffic,
} satisfies Readonly<Record<string, () => Promise<Group>>>;

export type GroupName = keyof typeof groups;
export const groupNames = Object.keys(groups) as GroupName[];
