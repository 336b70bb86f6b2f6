/** What a container has of the host's network: addresses of its own alone, all that the host has, or nothing. */
export type NetworkAccess = "addresses" | "host" | "none";

/** The rules of one network driver: a container is made with one and keeps it. */
export interface Driver {
  /** What its containers have of the host's network; the hosts know this alone, and no driver. */
  readonly access: NetworkAccess;
  /** Can its containers be connected to networks, where they have addresses and publish ports? */
  readonly connects: boolean;
}
