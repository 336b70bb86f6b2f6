import type * as kleene from "../kleene/index.ts";

/** What a class offers, without its private parts: a test can stand in for it. */
type Offered<T> = Pick<T, keyof T>;

/** What the CLI asks of the domain. */
export interface Klee extends Pick<kleene.Klee, "close"> {
  readonly networks: Networks;
  readonly containers: Containers;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly system: System;
}

export type Networks = Offered<kleene.Klee["networks"]>;
export type Containers = Offered<kleene.Klee["containers"]>;
export type Images = Offered<kleene.Klee["images"]>;
export type Volumes = Offered<kleene.Klee["volumes"]>;
export type System = Offered<kleene.Klee["system"]>;
