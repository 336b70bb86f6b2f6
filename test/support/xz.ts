import { spawnSync } from "node:child_process";

/** Compresses by xz(1). */
export function xzCompressed(bytes: Buffer): Buffer {
  const { stdout, status, stderr } = spawnSync("xz", ["-c"], { input: bytes, maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`xz: ${stderr}`);
  return stdout;
}
