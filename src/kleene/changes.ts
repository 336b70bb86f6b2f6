import { watch } from "node:fs";

/** Where nothing can be watched it is looked so often, in milliseconds. */
const LOOK_MS = 250;
/** The kernel gives no watch, or no more of them: root of a container can take all that its user has, the host's root. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE", "ENOSPC", "ENOMEM"]);

/**
 * Tells of each change of a file, and of the end; none that comes between two questions is lost. Where the kernel has no
 * watch for it, it tells of a change at intervals, whether there was one or not.
 */
export class Changes {
  over = false;
  #watcher: { close(): void };
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string, ended: Promise<unknown>) {
    this.#watcher = this.#watch(path);
    const end = (): void => {
      this.over = true;
      this.#notify();
    };
    ended.then(end, end);
  }

  /**
   * Waits for the next one, for ever or as long as given.
   * @returns false when there was none in that time, in milliseconds.
   */
  async next(timeoutMs?: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    if (!this.#changed && !this.over)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (timeoutMs !== undefined) timer = setTimeout(resolve, timeoutMs);
      });
    clearTimeout(timer);
    const changed = this.#changed || this.over;
    this.#changed = false;
    return changed;
  }

  close(): void {
    this.#watcher.close();
  }

  #watch(path: string): { close(): void } {
    try {
      const watcher = watch(path, () => this.#notify());
      watcher.on("error", () => {
        watcher.close();
        this.#watcher = this.#look();
      });
      return watcher;
    } catch (error) {
      if (error instanceof Error && "code" in error && EXHAUSTED.has(error.code)) return this.#look();
      throw error;
    }
  }

  #look(): { close(): void } {
    const timer = setInterval(() => this.#notify(), LOOK_MS);
    return { close: () => clearInterval(timer) };
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }
}
