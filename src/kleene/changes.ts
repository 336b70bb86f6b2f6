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

  async next(): Promise<void> {
    if (!this.#changed && !this.over)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    this.#changed = false;
  }

  close(): void {
    this.#watcher.close();
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }
}
