import { takeDownAfter } from "../container/end.ts";
import type { Context } from "../context.ts";
import type { KleeEvent, ReadEvents } from "../model.ts";
import { readBootId, writeBootId } from "../store/meta.ts";
import { atOnce } from "../store/store.ts";
import { findProblems } from "./check.ts";
import { cleanUp } from "./cleanup.ts";
import { cutOffOperations, unnoticedEnds } from "./ended.ts";
import { readEvents } from "./events.ts";
import { reconcile, takeDownAll } from "./reconcile.ts";
import { startAgain } from "./startup.ts";

/** The store and the kernel as a whole. */
export class System {
  readonly #context: Context;
  /** What was repaired when the store was opened. */
  #repaired: readonly string[] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  /** What store and kernel do not agree on, one line each; changes nothing. */
  check(): Promise<readonly string[]> {
    return findProblems(this.#context);
  }

  /** What is worth knowing of this host although nothing is wrong, one line each. */
  advice(): string[] {
    return this.#context.host.advice?.() ?? [];
  }

  /** Makes the kernel agree with the store. Returns what was repaired since the store was opened, one line each. */
  async reconcile(): Promise<readonly string[]> {
    this.#context.host.checkSystem();
    const repaired = this.#repaired;
    this.#repaired = [];
    return [...repaired, ...(await reconcile(this.#context))];
  }

  /**
   * Reconciles after a boot of the host or a command that died half-way; else takes the containers down that ended, or
   * whose supervisor was killed, unnoticed by any klee.
   */
  async repairIfNeeded(): Promise<void> {
    const { store, host } = this.#context;
    const [bootId, cutOff, ended] = await atOnce([
      readBootId(store),
      cutOffOperations(this.#context),
      unnoticedEnds(this.#context),
    ]);
    if (bootId === undefined) return writeBootId(store, host.bootId());
    // The store may say more than the kernel holds.
    if (bootId !== host.bootId() || cutOff.length > 0) {
      host.checkSystem();
      this.#repaired = await reconcile(this.#context, "needed");
    } else if (ended.length > 0) await takeDownAll(this.#context, ended);
  }

  /** Takes a container down after its last process ended: the supervisor's call when no klee watches the container. */
  teardown(containerId: string, executionId: string): Promise<void> {
    return takeDownAfter(this.#context, containerId, executionId);
  }

  /**
   * Starts a container again, unless that was called off: the call of the process that waited for it.
   * @param row of the operation that says so.
   */
  restart(containerId: string, row: number): Promise<void> {
    return startAgain(this.#context, containerId, row);
  }

  /** What changed, oldest first: of the last 10 000 changes those that are asked for, then what comes. */
  events(request: ReadEvents): AsyncGenerator<KleeEvent> {
    return readEvents(this.#context, request);
  }

  /** Removes all containers, networks, images and volumes of this store from the host. Returns what was removed. */
  cleanup(): Promise<readonly string[]> {
    return cleanUp(this.#context);
  }
}
