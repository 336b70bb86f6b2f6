import type { PictureMember, PictureNetwork } from "./words.ts";

/** Networks one below the other, with their containers as branches, and the ports of these. */
export function tree(networks: readonly PictureNetwork[]): string {
  return networks.map((network) => `${linesOf(network).join("\n")}\n`).join("\n");
}

function linesOf({ name, interface: on, subnets, facts, members }: PictureNetwork): string[] {
  const columns = [0, 1].map((column) =>
    Math.max(0, ...members.map((member) => (cellsOf(member)[column] ?? "").length)),
  );
  return [
    `${name}  ${subnets.join(" ")}  ${on}: ${facts.join(", ")}`,
    ...members.flatMap((member, index) => {
      const isLast = index === members.length - 1;
      const row = cellsOf(member).map((cell, column) => cell.padEnd(columns[column] ?? 0));
      return [`${isLast ? "└── " : "├── "}${row.join("  ")}`.trimEnd(), ...portsOf(member, isLast ? "    " : "│   ")];
    }),
  ];
}

function cellsOf({ name, addresses, status, elsewhere }: PictureMember): string[] {
  return [
    name,
    addresses.join(" "),
    [status, ...(elsewhere.length > 0 ? [`also in ${elsewhere.join(" ")}`] : [])].join(", "),
  ];
}

function portsOf({ ports }: PictureMember, stem: string): string[] {
  return ports.map(({ from, to }, index) => `${stem}${index === ports.length - 1 ? "└── " : "├── "}${from} -> ${to}`);
}
