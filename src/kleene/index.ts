export { type Call, type CallHook, onCall, printCalls } from "../ffi/trace.ts";
export { KleeError, type KleeErrorCode } from "./errors.ts";
export type { Host } from "./host/host.ts";
export { Klee, type KleeOptions, openKlee } from "./klee.ts";
export type * from "./model.ts";
export { onStep, type Step, type StepHook } from "./steps.ts";
