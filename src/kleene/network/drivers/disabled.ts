import type { Driver } from "./driver.ts";

/** No network at all. */
export const disabled: Driver = { access: "none", connects: false };
