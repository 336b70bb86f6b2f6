import type { Topology } from "../../kleene/model.ts";
import { dot } from "./dot.ts";
import { mermaid } from "./mermaid.ts";
import { svg } from "./svg.ts";
import { tree } from "./tree.ts";
import { pictureOf } from "./words.ts";

const formats = { tree, dot, svg, mermaid };

/** What a topology is drawn as: a tree of text, Graphviz's language, an image, Mermaid's language. */
export type GraphFormat = keyof typeof formats;

/** The picture of a topology. The same topology gives the same picture. */
export function draw(format: GraphFormat, topology: Topology): string {
  return formats[format](pictureOf(topology));
}
