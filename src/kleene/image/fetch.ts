import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { KleeError, messageOf } from "../errors.ts";

/** Where an image's archive lies while it is unpacked. */
export const downloadPath = (root: string, imageId: string): string => `${root}/images/.fetch-${imageId}`;

export function removeDownload(root: string, imageId: string): void {
  rmSync(downloadPath(root, imageId), { force: true });
}

/**
 * Fetches an archive. Where a file MANIFEST lies beside it and lists it, as on FreeBSD's servers, the archive must have
 * the SHA-256 that is written there.
 *
 * @throws {KleeError} HOST when it cannot be fetched, or is another than the manifest says.
 */
export async function fetchArchive(url: string, path: string): Promise<void> {
  const address = parse(url);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const wanted = await listedDigest(address);
  const { body } = await request(address);
  const hash = createHash("sha256");
  const watch = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await pipeline(
      Readable.fromWeb(body as ReadableStream),
      watch,
      createWriteStream(path, { flags: "wx", mode: 0o600 }),
    );
  } catch (error) {
    throw new KleeError("HOST", `cannot fetch ${url}: ${messageOf(error)}`, { cause: error });
  }
  const digest = hash.digest("hex");
  if (wanted !== undefined && digest !== wanted)
    throw new KleeError("HOST", `cannot use ${url}: its SHA-256 is ${digest}, not ${wanted} as its MANIFEST says`);
}

function parse(url: string): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address === undefined || !["http:", "https:"].includes(address.protocol))
    throw new KleeError("INVALID", `${JSON.stringify(url)} is no URL; give https://HOST/PATH`);
  return address;
}

async function request(address: URL): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (error) {
    const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new KleeError("HOST", `cannot fetch ${address}: ${messageOf(reason)}`, { cause: error });
  }
  if (!response.ok) throw new KleeError("HOST", `cannot fetch ${address}: ${response.status} ${response.statusText}`);
  return response;
}

/** `base.txz<TAB>SHA-256<TAB>...`; undefined where there is no such line, or no MANIFEST. */
async function listedDigest(address: URL): Promise<string | undefined> {
  const name = address.pathname.slice(address.pathname.lastIndexOf("/") + 1);
  const manifest = await fetch(new URL("MANIFEST", address)).catch(() => undefined);
  if (manifest === undefined || !manifest.ok) return undefined;
  const line = (await manifest.text()).split("\n").find((candidate) => candidate.startsWith(`${name}\t`));
  return line?.split("\t")[1];
}
