export { KleeError, type KleeErrorCode } from "./errors.ts";
export type { Host } from "./host/host.ts";
export { Klee, type KleeOptions, openKlee } from "./klee.ts";
export type * from "./model.ts";
