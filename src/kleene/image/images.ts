import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { newId, notFound, refuseId, resolve, timestamp } from "../identity.ts";
import type { CreateImage, Image } from "../model.ts";
import { removeUnused } from "../prune.ts";
import type { Row, Statements } from "../store/store.ts";
import { flag, list, text } from "../store/store.ts";

const DEFAULT_TAG = "latest";
/** Images: read-only root file systems that containers are made from. */
export class Images {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Makes an image of the running system, of an archive or of a directory. A name that another image has moves to the
   * new one.
   * @throws {KleeError} INVALID for a malformed request; HOST when the source cannot be read or is refused.
   */
  async create(request: CreateImage): Promise<Image> {
    const { root, host, store } = this.#context;
    const source = sourceOf(request, host);
    const { name, tag } = nameOf(request, source);
    if (request.method !== "host" && !source)
      throw new KleeError(
        "INVALID",
        `the SOURCE argument is needed when creating images using the '${request.method}' method`,
      );
    if (request.method === "host" && source !== undefined)
      throw new KleeError("INVALID", "the 'host' method takes no SOURCE: it is the running system");
    const id = newId();
    return withUndo(this.#context, "create image", id, undefined, async (_, undo) => {
      undo.push(() => host.storage.removeImage(root, id));
      const dataset = await this.#store(id, { ...request, source });
      const image: Image = {
        cmd: host.storage.usualCommand(id),
        created: timestamp(),
        dataset,
        dns: request.dns ?? true,
        env: [],
        id,
        instructions: [],
        name,
        tag,
        user: "root",
      };
      undo.push(() => store.run("DELETE FROM image WHERE id = ?", id));
      await store.transaction(async (statements) => {
        await releaseName(statements, name, tag);
        await statements.run(
          `INSERT INTO image (id, name, tag, dataset, created, cmd, env, user, instructions, dns)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, '[]', ?)`,
          id,
          name,
          tag,
          dataset,
          image.created,
          JSON.stringify(image.cmd),
          JSON.stringify(image.env),
          image.user,
          Number(image.dns),
        );
      });
      return image;
    });
  }

  /** Makes the image's files. Returns their dataset. */
  async #store(id: string, { method, source, localtime }: CreateImage): Promise<string> {
    const { root, host, warn } = this.#context;
    if (method !== "fetch" && method !== "fetch-auto")
      return host.storage.createImage(root, id, { method, source, localtime }, warn);
    // Loaded on demand: few commands speak to a server.
    const { downloadPath, fetchArchive, removeDownload } = await import("./fetch.ts");
    try {
      await fetchArchive(source ?? "", downloadPath(root, id));
      return await host.storage.createImage(
        root,
        id,
        { method: "tar", source: downloadPath(root, id), localtime },
        warn,
      );
    } finally {
      removeDownload(root, id);
    }
  }

  /** All that is known of an image. */
  async inspect(reference: string): Promise<Image> {
    return imageOf(await resolve(this.#context.store, "image", reference));
  }

  /** All images, newest first. */
  async list(): Promise<readonly Image[]> {
    return (await this.#context.store.all("SELECT * FROM image ORDER BY created DESC")).map(imageOf);
  }

  /**
   * Removes an image. Returns its id.
   * @throws {KleeError} CONFLICT while a container is made from it.
   */
  async remove(reference: string): Promise<string> {
    const { root, store, host } = this.#context;
    const image = imageOf(await resolve(store, "image", reference));
    await withUndo(
      this.#context,
      "remove image",
      image.id,
      async (statements) => {
        const users = await statements.all("SELECT id FROM container WHERE image_id = ? ORDER BY created", image.id);
        if (users.length > 0) {
          const ids = users.map((row) => text(row, "id")).join(", ");
          throw new KleeError("CONFLICT", `could not remove image ${image.id} since it is used for containers: ${ids}`);
        }
        await statements.run("DELETE FROM image WHERE id = ?", image.id);
      },
      () => host.storage.removeImage(root, image.id),
    );
    return image.id;
  }

  /** Gives an image a name, taking it from the image that has it now. */
  async tag(reference: string, nameTag: string): Promise<Image> {
    const { name, tag } = parseNameTag(nameTag);
    return this.#context.store.transaction(async (statements) => {
      const image = imageOf(await resolve(statements, "image", reference));
      await releaseName(statements, name, tag);
      await statements.run("UPDATE image SET name = ?, tag = ? WHERE id = ?", name, tag, image.id);
      return { ...image, name, tag };
    });
  }

  /** Removes the images that no container is made from: those without a name, or all. Returns their ids. */
  async prune({ all }: { readonly all: boolean }): Promise<readonly string[]> {
    const rows = await this.#context.store.all(
      `SELECT id FROM image WHERE id NOT IN (SELECT image_id FROM container) AND (?1 OR name = '') ORDER BY created DESC`,
      Number(all),
    );
    return removeUnused(
      rows.map((row) => text(row, "id")),
      (id) => this.remove(id),
    );
  }
}

/** Finds the image a container is to be made from; its error names it as `container create` does. */
export async function imageForContainer(statements: Statements, reference: string, host: Host): Promise<Image> {
  try {
    return imageOf(await resolve(statements, "image", reference));
  } catch (error) {
    if (error instanceof KleeError && error.code === "NOT_FOUND")
      throw new KleeError(
        "NOT_FOUND",
        `no such image '${reference}'; ${await wayToImage(statements, reference, host)}`,
        {
          cause: error,
        },
      );
    throw error;
  }
}

async function wayToImage(statements: Statements, reference: string, host: Host): Promise<string> {
  if ((await statements.get("SELECT 1 AS one FROM image LIMIT 1")) !== undefined) return "'klee lsi' lists the images";
  const method = host.releaseArchive === undefined ? "host" : "fetch";
  const name = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*(:[a-zA-Z0-9_.-]+)?$/.test(reference) ? reference : "NAME";
  return `there is none yet: 'klee image create ${method} -t ${name}' makes one`;
}

export async function imageById(statements: Statements, id: string): Promise<Image> {
  const row = await statements.get("SELECT * FROM image WHERE id = ?", id);
  if (row === undefined) throw notFound("image", id);
  return imageOf(row);
}

/** Where an image comes from: what is fetched without a name is the host's own release. */
function sourceOf({ method, source }: CreateImage, host: Host): string | undefined {
  if (method === "fetch-auto" && host.releaseArchive === undefined)
    throw new KleeError(
      "UNSUPPORTED",
      "'fetch-auto' fetches the host's own release of FreeBSD; use fetch URL, or host",
    );
  if (method === "fetch-auto") return host.releaseArchive?.(source);
  return source ?? (method === "fetch" ? host.releaseArchive?.() : undefined);
}

/** The version in the URL of a release's archive. */
const RELEASE_PATH = /\/(\d+\.\d+-[A-Z]+\d*)\/[^/]+$/;

/** @throws {KleeError} INVALID for a malformed name, and one that cannot be made from the source though it is asked for. */
function nameOf({ method, tag, autotag }: CreateImage, source: string | undefined) {
  const version = method.startsWith("fetch") ? RELEASE_PATH.exec(source ?? "")?.[1] : undefined;
  if (autotag && version === undefined)
    throw new KleeError(
      "INVALID",
      "--autotag names images of FreeBSD's releases, by their version: give a name, -t NAME[:TAG]",
    );
  if (version !== undefined && (autotag ?? tag === undefined)) return { name: `FreeBSD-${version}`, tag: DEFAULT_TAG };
  return tag === undefined ? { name: "", tag: "" } : parseNameTag(tag);
}

function releaseName(statements: Statements, name: string, tag: string): Promise<void> {
  return statements.run("UPDATE image SET name = '', tag = '' WHERE name = ? AND tag = ? AND name <> ''", name, tag);
}

function parseNameTag(nameTag: string): { readonly name: string; readonly tag: string } {
  const parts = nameTag.split(":");
  const [name = "", tag = DEFAULT_TAG] = parts;
  const part = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
  if (parts.length > 2 || !part.test(name) || !part.test(tag))
    throw new KleeError(
      "INVALID",
      `invalid image name ${JSON.stringify(nameTag)}: give NAME[:TAG] of letters, digits, '_', '.' and '-'`,
    );
  refuseId("image", name);
  return { name, tag };
}

export function imageOf(row: Row): Image {
  return {
    cmd: list(row, "cmd"),
    created: text(row, "created"),
    dataset: text(row, "dataset"),
    dns: flag(row, "dns"),
    env: list(row, "env"),
    id: text(row, "id"),
    instructions: [],
    name: text(row, "name"),
    tag: text(row, "tag"),
    user: text(row, "user"),
  };
}
