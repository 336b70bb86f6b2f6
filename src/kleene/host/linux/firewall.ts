import { SyscallError } from "../../../ffi/errno.ts";
import { LibraryError, lazy } from "../../../ffi/library.ts";
import { forgetConnections } from "../../../ffi/linux/conntrack.ts";
import { openNetfilter } from "../../../ffi/linux/netlink/socket.ts";
import { countRules, type Nft, openNft } from "../../../ffi/linux/nftables.ts";
import { destroyConnected, openSockDiag } from "../../../ffi/linux/sock-diag.ts";
import { during } from "../../../timeline.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import { type Policy, type PolicyChange, withdrawnAddresses } from "../../network/policy.ts";
import type { Firewall } from "../host.ts";
import { describePolicy } from "./description.ts";
import { changeText, loadText, RULE_COUNT, unloadText } from "./ruleset.ts";

/** klee's rules in nftables: one table of klee's own, changed by libnftables in single transactions. */
export class LinuxFirewall implements Firewall {
  readonly #table: string;
  readonly #nft = lazy(openLibnftables);

  /** @param table name of the table; no other is ever touched. */
  constructor(table: string) {
    this.#table = table;
  }

  load(policy: Policy): void {
    this.#run("cannot load the firewall rules", loadText(this.#table, policy));
  }

  change(change: PolicyChange): void {
    const text = changeText(this.#table, change);
    if (text !== "") this.#run("cannot change the firewall rules", text);
    if (!change.unconnected) forget(withdrawnAddresses(change));
  }

  unload(): void {
    if (this.#ruleCount() > 0) this.#run("cannot remove the firewall rules", unloadText(this.#table));
  }

  loaded(): boolean {
    return this.#ruleCount() === RULE_COUNT;
  }

  describe(policy: Policy): string {
    return describePolicy(this.#table, policy);
  }

  /** How many rules the kernel holds of klee's; an old version's table, or one that was flushed, has another number. */
  #ruleCount(): number {
    try {
      using socket = openNetfilter();
      return countRules(socket, this.#table);
    } catch (error) {
      throw hostFailure("cannot read the firewall's rules", error);
    }
  }

  #run(what: string, text: string): string {
    try {
      return this.#nft().run(text);
    } catch (error) {
      throw hostFailure(what, error);
    }
  }
}

/**
 * Translated connections outlive the rules that made them, and sockets the loss of their address: without this, both
 * would come back to life with the next container that gets it.
 */
function forget(addresses: readonly string[]): void {
  if (addresses.length === 0) return;
  try {
    endSockets(addresses);
    using socket = openNetfilter();
    for (const address of addresses) forgetConnections(socket, address);
  } catch (error) {
    throw hostFailure(`cannot end the connections of ${addresses.join(", ")}`, error);
  }
}

/** A kernel that cannot leaves a datagram socket its peer; all else that the socket may do is asked of the confinement. */
function endSockets(addresses: readonly string[]): void {
  using sockets = openSockDiag();
  try {
    destroyConnected(sockets, addresses);
  } catch (error) {
    if (!(error instanceof SyscallError && ["EOPNOTSUPP", "ENOENT"].includes(error.code))) throw error;
  }
}

function openLibnftables(): Nft {
  try {
    return during("library", openNft);
  } catch (error) {
    if (error instanceof LibraryError)
      throw new KleeError(
        "UNSUPPORTED",
        "libnftables.so.1 is missing; install it (Debian: apt-get install libnftables1)",
        { cause: error },
      );
    throw error;
  }
}
