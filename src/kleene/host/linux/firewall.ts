import { isErrno } from "../../../ffi/errno.ts";
import { LibraryError, lazy } from "../../../ffi/library.ts";
import { deleteConnections } from "../../../ffi/linux/conntrack.ts";
import { openNetfilter } from "../../../ffi/linux/netlink/socket.ts";
import { countRules, generation, type Nft, openNft } from "../../../ffi/linux/nftables.ts";
import { changeElements, listElements, type SetElement } from "../../../ffi/linux/set-elements.ts";
import { destroyConnected, openSockDiag } from "../../../ffi/linux/sock-diag.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import { olderThan } from "../../network/older.ts";
import { type Policy, type PolicyChange, withdrawnAddresses } from "../../network/policy.ts";
import type { Firewall } from "../host.ts";
import { describePolicy } from "./description.ts";
import { encodeChange } from "./element-bytes.ts";
import { declarations, type Elements, elementsOf, isFilledByRules } from "./elements.ts";
import { deleteAgainst, deleteOlder } from "./older.ts";
import { changeText, loadText, RULE_COUNT, stepsOf, unloadText } from "./ruleset.ts";

/** So many elements fit the kernel's socket buffer with room to spare; libnftables enlarges it for more. */
const FEW = 1000;

/** klee's rules in nftables: one table of klee's own, loaded by libnftables, each change of it one transaction. */
export class LinuxFirewall implements Firewall {
  readonly #table: string;
  readonly #nft = lazy(openLibnftables);
  /** Kept: whoever closes one waits until the kernel has freed what was deleted before. */
  readonly #socket = lazy(openNetfilter);
  /** What was found when the rules were counted last: they are the same as long as the ruleset's generation is. */
  #counted: { readonly generation: number; readonly rules: number } | undefined;

  /** @param table name of the table; no other is ever touched. */
  constructor(table: string) {
    this.#table = table;
  }

  load(policy: Policy): void {
    this.#run("cannot load the firewall rules", loadText(this.#table, policy));
    this.#settle(() => deleteAgainst(this.#socket(), policy));
  }

  change(change: PolicyChange): void {
    this.#change(change);
    if (!change.unconnected) this.#deleteConnections(withdrawnAddresses(change));
    this.#settle(() => deleteOlder(this.#socket(), olderThan(change)));
  }

  /** The rules see every packet, those of connections that had begun before included. */
  endConnections(): void {}

  unload(): void {
    if (this.#ruleCount() > 0) this.#run("cannot remove the firewall rules", unloadText(this.#table));
  }

  loaded(): boolean {
    return this.#ruleCount() === RULE_COUNT;
  }

  agrees(policy: Policy): boolean {
    try {
      const wanted = new Map(encodeChange("add", elementsOf(policy)).map(({ set, elements }) => [set, elements]));
      const held = (set: string): SetElement[] => listElements(this.#socket(), this.#table, set);
      return declarations.every(([set]) => isFilledByRules(set) || sameElements(wanted.get(set) ?? [], held(set)));
    } catch (error) {
      throw hostFailure("cannot read the firewall's rules", error);
    }
  }

  describe(policy: Policy): string {
    return describePolicy(this.#table, policy);
  }

  /** By the kernel's own messages, since libnftables reads all sets before it changes one. */
  #change(change: PolicyChange): void {
    const steps = stepsOf(change);
    const count = steps.reduce((sum, { elements }) => sum + sizeOf(elements), 0);
    const what = "cannot change the firewall rules";
    if (count > FEW) {
      this.#run(what, changeText(this.#table, change));
      return;
    }
    try {
      const changes = steps.flatMap(({ verb, elements }) => encodeChange(verb, elements));
      changeElements(this.#socket(), this.#table, changes);
    } catch (error) {
      throw hostFailure(what, error);
    }
  }

  /**
   * Translated connections outlive the rules that made them, and sockets the loss of their address: without this, both
   * would come back to life with the next container that gets it.
   */
  #deleteConnections(addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    try {
      endSockets(addresses);
      for (const address of addresses) deleteConnections(this.#socket(), address);
    } catch (error) {
      throw hostFailure(`cannot end the connections of ${addresses.join(", ")}`, error);
    }
  }

  /** Once the rules are there: what begins anew meets them. */
  #settle(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw hostFailure("cannot end the connections that are older than the firewall's rules", error);
    }
  }

  /** How many rules the kernel holds of klee's; an old version's table, or one that was flushed, has another number. */
  #ruleCount(): number {
    try {
      const socket = this.#socket();
      const now = generation(socket);
      if (this.#counted?.generation !== now)
        this.#counted = { generation: now, rules: countRules(socket, this.#table) };
      return this.#counted.rules;
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

/** By where intervals begin: where two touch, the kernel has no end between them. */
function sameElements(wanted: readonly SetElement[], held: readonly SetElement[]): boolean {
  const names = (elements: readonly SetElement[]): Set<string> =>
    new Set(
      elements
        .filter(({ endsInterval }) => !endsInterval)
        .map(({ key, last, data }) => [key, last, data].map((bytes) => bytes?.toString("hex") ?? "").join(" ")),
    );
  const [one, other] = [names(wanted), names(held)];
  return one.size === other.size && [...one].every((name) => other.has(name));
}

function sizeOf(elements: Elements): number {
  let size = 0;
  for (const values of elements.values()) size += values.size;
  return size;
}

/** A kernel that cannot leaves a datagram socket its peer; all else that the socket may do is asked of the confinement. */
function endSockets(addresses: readonly string[]): void {
  using sockets = openSockDiag();
  try {
    destroyConnected(sockets, addresses);
  } catch (error) {
    if (!isErrno(error, "EOPNOTSUPP", "ENOENT")) throw error;
  }
}

function openLibnftables(): Nft {
  try {
    return openNft();
  } catch (error) {
    if (error instanceof LibraryError && error.isMissing)
      throw new KleeError(
        "UNSUPPORTED",
        "libnftables.so.1 is missing; install it (Debian: apt-get install libnftables1)",
        { cause: error },
      );
    if (error instanceof LibraryError) throw new KleeError("HOST", error.message, { cause: error });
    throw error;
  }
}
