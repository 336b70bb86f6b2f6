import type { Command } from "commander";

export function writeManual(root: string): Promise<string[]>;
export function commandTree(root: string): Promise<Command>;
