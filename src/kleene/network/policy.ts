/** What the firewall must know of a network. */
export interface PolicyNetwork {
  readonly id: string;
  readonly interface: string;
  /** CIDR, empty when the network has none of that family. */
  readonly subnet: string;
  readonly subnet6: string;
  /** Interface on which packets to the outside are translated; empty: no NAT. */
  readonly nat: string;
  readonly icc: boolean;
  readonly internal: boolean;
}

/** What the firewall must know of a running container's place in a network. */
export interface PolicyEndpoint {
  readonly containerId: string;
  readonly networkId: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Do the network's containers reach each other? If not, only an exception lets one reach itself. */
  readonly icc: boolean;
  /** May the container open raw sockets? Their source address is then set by the firewall. */
  readonly rawSockets: boolean;
}

/** All that klee's rules express. A pure value: each host encodes it in its own firewall. */
export interface Policy {
  readonly networks: readonly PolicyNetwork[];
  readonly endpoints: readonly PolicyEndpoint[];
}

export interface PolicyChange {
  readonly add?: Partial<Policy> | undefined;
  readonly remove?: Partial<Policy> | undefined;
}
