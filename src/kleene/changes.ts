import { watch } from "node:fs";

/** Tells of each change of a file, and of the end; none that comes between two questions is lost. */
export class Changes {
  over = false;
  readonly #watcher: ReturnType<typeof watch>;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string, ended: Promise<unknown>) {
    this.#watcher = watch(path, () => this.#notify());
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

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }
}
