import type { PictureMember, PictureNetwork } from "./words.ts";

/**
 * Mermaid's language, with the same nodes and lines as Graphviz's; names of nodes are short, for it takes 50,000
 * characters at most.
 */
export function mermaid(networks: readonly PictureNetwork[]): string {
  const lines = ["flowchart LR"];
  const all = networks.flatMap(({ members }) => members);
  const ids = new Map([...new Set(all.map(({ id }) => id))].map((id, index) => [id, `c${index}`]));
  const node = ({ id }: PictureMember): string => ids.get(id) ?? id;
  networks.forEach(({ name, interface: on, subnets, facts, members }, index) => {
    lines.push(
      ` subgraph s${index}[${quoted([name, ...subnets, facts.join(", ")])}]`,
      `  n${index}([${quoted([on])}])`,
    );
    for (const member of members.filter(({ isFirst }) => isFirst))
      lines.push(`  ${node(member)}[${quoted([member.name, ...member.addresses])}]${look(member)}`);
    lines.push(" end");
  });
  networks.forEach(({ members }, index) => {
    for (const member of members.filter(({ isFirst }) => !isFirst))
      lines.push(` ${node(member)} ---|${quoted(member.addresses)}| n${index}`);
  });
  const places = [...new Set(all.flatMap(({ ports }) => ports.map(({ from }) => from)))];
  lines.push(...places.map((from, index) => ` p${index}>${quoted([from])}]`));
  const arrows = all.flatMap((member) =>
    member.ports.map(({ from, to }) => ` p${places.indexOf(from)} -->|${quoted([to])}| ${node(member)}`),
  );
  // A container's families may lie in different networks, and a port leads to both.
  lines.push(...new Set(arrows), " classDef idle stroke-dasharray: 4 3,color:#667788", "");
  return lines.join("\n");
}

const look = ({ status }: PictureMember): string => (status === "running" ? "" : ":::idle");

/** A label, in lines: Mermaid spells a character out by its number, between `#` and `;`. */
function quoted(lines: readonly string[]): string {
  const spelled = (line: string): string =>
    line.replaceAll(/[^A-Za-z0-9 .,:/_-]/gu, (character) => `#${character.codePointAt(0)};`);
  return `"${lines.map(spelled).join("<br>")}"`;
}
