/** Where the store is unless told otherwise; in a file of its own, since whoever only looks loads no storage. */
export const DEFAULT_ROOT = "/var/lib/klee";
