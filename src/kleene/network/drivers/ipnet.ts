import type { Driver } from "./driver.ts";

/** The host's network stack with the container's own addresses alone, aliases on the interfaces of its networks. */
export const ipnet: Driver = { access: "addresses", connects: true };
