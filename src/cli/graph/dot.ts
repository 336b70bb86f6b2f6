import type { PictureMember, PictureNetwork } from "./words.ts";

const head = `digraph klee {
  rankdir=LR;
  graph [fontname="sans-serif", style=rounded, color="#8899aa"];
  node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="sans-serif", fontsize=11];
  edge [fontname="sans-serif", fontsize=10];
`;

/**
 * Graphviz's language. A network is a cluster around its interface; a container lies in the first of its networks, and a
 * line leads to the interface of each other one. An arrow leads from where a port is published.
 */
export function dot(networks: readonly PictureNetwork[]): string {
  const clusters = networks.map((network, index) => clusterOf(network, index));
  const members = networks.flatMap(({ members }, index) => members.map((member) => ({ member, index })));
  const further = members
    .filter(({ member }) => !member.isFirst)
    .map(({ member, index }) => `  ${node(member)} -> n${index} [dir=none, label=${quoted(member.addresses)}];\n`);
  return `${head}${clusters.join("")}${further.join("")}${portsOf(members.map(({ member }) => member))}}\n`;
}

function clusterOf({ name, interface: on, subnets, facts, members }: PictureNetwork, index: number): string {
  const inside = members.filter(({ isFirst }) => isFirst);
  return `  subgraph cluster_n${index} {
    label=${quoted([name, ...subnets, facts.join(", ")])};
    n${index} [shape=ellipse, fillcolor="#e3edf7", label=${quoted([on])}];
${inside.map((member) => `    ${node(member)} [label=${quoted([member.name, ...member.addresses])}${look(member)}];\n`).join("")}  }
`;
}

function portsOf(members: readonly PictureMember[]): string {
  const places = [...new Set(members.flatMap(({ ports }) => ports.map(({ from }) => from)))];
  const name = (from: string): string => `p${places.indexOf(from)}`;
  const nodes = places.map((from) => `  ${name(from)} [shape=plaintext, style="", label=${quoted([from])}];\n`);
  const arrows = members.flatMap((member) =>
    member.ports.map(({ from, to }) => `  ${name(from)} -> ${node(member)} [label=${quoted([to])}];\n`),
  );
  // A container's families may lie in different networks, and a port leads to both.
  return [...nodes, ...new Set(arrows)].join("");
}

/** Ids are twelve hexadecimal digits. */
const node = ({ id }: PictureMember): string => `c${id}`;

const look = ({ status }: PictureMember): string =>
  status === "running" ? "" : `, style="rounded,filled,dashed", fontcolor="#667788", tooltip=${quoted([status])}`;

/** A string of the language, in lines. */
function quoted(lines: readonly string[]): string {
  return `"${lines.map((line) => line.replaceAll("\\", "\\\\").replaceAll('"', '\\"')).join("\\n")}"`;
}
