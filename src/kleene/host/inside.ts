import { lstatSync, mkdirSync, readlinkSync, type Stats, writeFileSync } from "node:fs";
import { KleeError } from "../errors.ts";

/** Links that one path may go through: MAXSYMLINKS, sys/param.h. */
const LINKS = 32;

/**
 * The place of a container's path below its root, made as a directory (or as an empty file) where it is missing. The
 * kernel mounts on the path as the host sees it, where a symbolic link on the way could lead anywhere: each is followed
 * here, as the container would, with nothing above its root; what a link points at and is missing is made.
 *
 * @param root of the container, which nobody else changes meanwhile: the container is not started yet.
 * @param check is told each place before anything is made there, as the container names it.
 * @throws {KleeError} INVALID for a file where a directory is needed, or links that go round in circles.
 */
export function placeInside(
  root: string,
  path: string,
  kind: "directory" | "file",
  check: (place: string) => void = () => undefined,
): string {
  const found = walk(root, path, (place, inside, isLast, stats) => {
    const wanted = isLast ? kind : "directory";
    check(inside);
    if (stats === undefined) make(place, wanted);
    else if (stats.isDirectory() !== (wanted === "directory"))
      throw refusal(
        path,
        `${inside} is ${stats.isDirectory() ? "a" : "no"} directory in the container; give another destination`,
      );
    return true;
  });
  return found ?? root;
}

/**
 * The directory that a container's path leads to, below its root; undefined where none is.
 * @param root as for {@link placeInside}.
 */
export function directoryInside(root: string, path: string): string | undefined {
  return walk(root, path, (_place, _inside, _isLast, stats) => stats?.isDirectory() === true);
}

const refusal = (path: string, why: string): KleeError => new KleeError("INVALID", `cannot mount on ${path}: ${why}`);

/**
 * Goes from the root to what a path leads to, through links as the container would.
 * @param step is told each place that is no link: its path on the host and in the container. False: no further.
 */
function walk(
  root: string,
  path: string,
  step: (place: string, inside: string, isLast: boolean, stats: Stats | undefined) => boolean,
): string | undefined {
  const left = components(path);
  // Names that are no links, from the root on: what `..` leaves is known.
  const walked: string[] = [];
  for (let links = 0; left.length > 0; ) {
    const part = left.pop() ?? "";
    if (part === "..") {
      walked.pop();
      continue;
    }
    const place = [root, ...walked, part].join("/");
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) {
      if (++links > LINKS) throw refusal(path, "too many symbolic links in the container");
      const target = readlinkSync(place);
      if (target.startsWith("/")) walked.length = 0;
      left.push(...components(target));
      continue;
    }
    if (!step(place, `/${[...walked, part].join("/")}`, left.length === 0, stats)) return undefined;
    walked.push(part);
  }
  return [root, ...walked].join("/");
}

/** The names of a path, the last one first. */
function components(path: string): string[] {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .reverse();
}

function make(place: string, kind: "directory" | "file"): void {
  if (kind === "directory") mkdirSync(place, 0o755);
  else writeFileSync(place, "", { flag: "wx", mode: 0o644 });
}
