import { EventEmitter } from "node:events";
import type { CliContext } from "../../../src/cli/context.ts";
import type { Containers, Images, Klee, Networks, System, Volumes } from "../../../src/cli/domain.ts";
import { run } from "../../../src/cli/run.ts";
import type { Execution, ExecutionResult, ExecutionTerminal, WindowSize } from "../../../src/kleene/model.ts";

/** The parts of a domain that a test expects to be used; the use of any other fails. */
export interface Parts {
  readonly networks?: Partial<Networks>;
  readonly containers?: Partial<Containers>;
  readonly images?: Partial<Images>;
  readonly volumes?: Partial<Volumes>;
  readonly system?: Partial<System>;
}

export interface Surroundings {
  /** Which of 0, 1 and 2 are terminals; default: all. */
  readonly terminals?: readonly number[];
  readonly input?: readonly string[];
  readonly window?: WindowSize;
  readonly environment?: Record<string, string>;
  readonly now?: string;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A klee whose domain, streams and signals are the test's. */
export class FakeCli {
  /** Its status once klee ended itself, or the signal by which it did. */
  left: number | NodeJS.Signals | undefined;
  readonly signals = Object.assign(new EventEmitter(), {
    pid: process.pid,
    exit: (status: number): void => {
      this.left = status;
    },
    kill: (_: number, signal: NodeJS.Signals): void => {
      this.left = signal;
    },
  });
  readonly opened: (string | undefined)[] = [];
  closed = 0;
  stdout = "";
  stderr = "";
  window: WindowSize | undefined;
  readonly #context: CliContext;

  constructor(parts: Parts = {}, surroundings: Surroundings = {}) {
    const { terminals = [0, 1, 2], input = [], environment = {}, now = "2024-02-26T10:52:20Z" } = surroundings;
    const lines = [...input];
    this.window = surroundings.window;
    this.#context = {
      streams: {
        isUnread: () => false,
        write: (fd, text) => {
          if (fd === 1) this.stdout += text;
          else this.stderr += text;
        },
        isTerminal: (fd) => terminals.includes(fd),
        readLine: () => lines.shift(),
        windowSize: () => this.window,
      },
      signals: this.signals,
      environment: { ...environment },
      now: () => Date.parse(now),
      openKlee: async ({ root }) => {
        this.opened.push(root);
        return {
          networks: strict<Networks>("networks", parts.networks),
          containers: strict<Containers>("containers", parts.containers),
          images: strict<Images>("images", parts.images),
          volumes: strict<Volumes>("volumes", parts.volumes),
          system: strict<System>("system", parts.system),
          close: async () => {
            this.closed++;
          },
        } satisfies Klee;
      },
    };
  }

  async run(...argv: readonly string[]): Promise<Outcome> {
    const status = await run(argv, this.#context);
    return { status, stdout: this.stdout, stderr: this.stderr };
  }
}

function strict<T extends object>(name: string, part: Partial<T> = {}): T {
  return new Proxy(part, {
    get(target, key) {
      const found = Reflect.get(target, key);
      if (found === undefined) throw new Error(`unexpected use of ${name}.${String(key)}`);
      return found;
    },
  }) as T;
}

/** Runs one command line on a fake. */
export function klee(parts: Parts, argv: readonly string[], surroundings?: Surroundings): Promise<Outcome> {
  return new FakeCli(parts, surroundings).run(...argv);
}

/** Keeps what a function was called with, and answers with the same thing every time. */
export function recorder<A extends unknown[], R>(answer: R): { calls: A[]; record: (...args: A) => Promise<R> } {
  const calls: A[] = [];
  return {
    calls,
    record: async (...args) => {
      calls.push(args);
      return answer;
    },
  };
}

/** An execution that ends when the test says so. */
export class FakeExecution implements Execution {
  readonly id: string;
  readonly containerId = "d763328950a2";
  readonly pid = 4711;
  readonly terminal: ExecutionTerminal | undefined;
  readonly exited: Promise<ExecutionResult>;
  readonly received: number[] = [];
  detached = false;
  readonly end: (result: ExecutionResult) => void;

  constructor(result?: ExecutionResult, terminal?: ExecutionTerminal, id = "ec74e2e87920") {
    this.id = id;
    this.terminal = terminal;
    let settle: (result: ExecutionResult) => void = () => {};
    this.exited = new Promise((resolve) => {
      settle = resolve;
    });
    this.end = settle;
    if (result !== undefined) this.end(result);
  }

  signal(number: number): void {
    this.received.push(number);
  }

  detach(): void {
    this.detached = true;
  }
}
