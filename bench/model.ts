/** Unit of all figures of a row. */
export type Unit = "us" | "ms" | "MiB" | "GB/s" | "bytes";

/** What a row compares: klee, what others offer for the same task, and the least that the kernel asks for it. */
export type Role = "klee" | "peer" | "floor";

/** Of one contender's samples, in the row's unit. */
export interface Figures {
  readonly samples: number;
  readonly median: number;

  readonly p10: number;
  readonly p90: number;
}

export interface Contender {
  readonly name: string;
  readonly role: Role;
  /** Absent where `missing` says why there is none. */
  readonly figures?: Figures | undefined;
  readonly missing?: string | undefined;
  /** klee's value divided by this one's: median over the rounds, each with its own pair. */
  readonly ratio?: number | undefined;
}

export interface Target {
  readonly text: string;
  /** Undefined: what it compares with has no figures. */
  readonly met: boolean | undefined;
}

export interface Row {
  readonly what: string;
  readonly unit: Unit;
  readonly contenders: readonly Contender[];
  readonly targets: readonly Target[];
}

/** Cost over size, one line for each contender. */
export interface Plot {
  /** File name without `.svg`. */
  readonly name: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

/** What one group measured. */
export interface GroupResult {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
  readonly plots: readonly Plot[];
  /** What could not be measured at all, with the reason. */
  readonly skipped: readonly string[];
  /** Spread of a fixed computation timed in every round, (p90 - p10) / median: what the machine's other work adds. */
  readonly noise: number;
  readonly seconds: number;
}

export interface Report {
  readonly environment: Readonly<Record<string, string>>;
  readonly groups: readonly GroupResult[];
}
