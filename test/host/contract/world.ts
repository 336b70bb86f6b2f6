import type { Host } from "../../../src/kleene/host/host.ts";

/** A host under the contract's tests, and what the tests must know of its kernel by other means than the host's own. */
export interface World {
  readonly host: Host;
  /** The directory of the store that the host was made for. */
  readonly root: string;
  /** Name of the loopback interface. */
  readonly loopback: string;
  /** Addresses of an interface with their prefix lengths, in the kernel's order; none when there is no such interface. */
  addressesSeen(interfaceName: string): string[];
  /** Makes an interface that is not klee's, with addresses. */
  makeForeign(interfaceName: string, addresses: readonly string[]): void;
  removeForeign(interfaceName: string): void;
  /** A new, empty directory. */
  folder(): string;
  /** A directory with a root file system that has /bin/sh. */
  rootFilesystem(): string;
}
