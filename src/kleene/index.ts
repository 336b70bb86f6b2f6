/**
 * Kleene: networks, containers and images of one store, as the `klee` command has them, and the hosts below it.
 *
 * @module
 */
export { type Call, type CallHook, onCall, printCalls } from "../ffi/trace.ts";
export type { Containers } from "./container/containers.ts";
export { KleeError, type KleeErrorCode } from "./errors.ts";
export type * from "./host/host.ts";
export type { Images } from "./image/images.ts";
export { Klee, type KleeOptions, openKlee } from "./klee.ts";
export type * from "./model.ts";
export type { Networks } from "./network/networks.ts";
export type {
  Policy,
  PolicyChange,
  PolicyContainer,
  PolicyDestination,
  PolicyEndpoint,
  PolicyNetwork,
  PolicyPair,
  PolicyPort,
  PolicyWithdrawn,
  PortRange,
  Protocol,
  PublishedOn,
} from "./network/policy.ts";
export type { Family } from "./network/subnet.ts";
export { onStep, type Step, type StepHook } from "./steps.ts";
export type { System } from "./system/system.ts";
export type { Volumes } from "./volume/volumes.ts";
