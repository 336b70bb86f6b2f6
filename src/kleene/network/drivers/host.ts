import type { Driver } from "./driver.ts";

/** The host's network as the host has it. */
export const host: Driver = { access: "host", connects: false };
