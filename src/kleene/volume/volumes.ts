import { mountpointOf } from "../container/rows.ts";
import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError } from "../errors.ts";
import { checkName, newId, timestamp } from "../identity.ts";
import type { Volume, VolumeDetails } from "../model.ts";
import { removeUnused } from "../prune.ts";
import { StoreConflict, text } from "../store/store.ts";
import { allVolumes, publicVolume, volumeByName } from "./rows.ts";

/** Volumes: directories of the store that outlive the containers which have them mounted. */
export class Volumes {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Makes an empty volume.
   * @throws {KleeError} INVALID for such a name; CONFLICT when it is taken.
   */
  async create(name: string): Promise<Volume> {
    const { root, host, store } = this.#context;
    checkName("volume", name);
    const id = newId();
    return withUndo(this.#context, "create volume", id, undefined, async (_, undo) => {
      undo.push(() => host.storage.removeVolume(root, id));
      const { dataset, mountpoint } = await host.storage.createVolume(root, id);
      const volume: Volume = { created: timestamp(), dataset, mountpoint, name };
      try {
        await store.run(
          "INSERT INTO volume (id, name, dataset, mountpoint, created) VALUES (?, ?, ?, ?, ?)",
          id,
          name,
          dataset,
          mountpoint,
          volume.created,
        );
      } catch (error) {
        if (error instanceof StoreConflict && error.concerns("volume.name"))
          throw new KleeError("CONFLICT", `volume name is already taken: ${name}`, { cause: error });
        throw error;
      }
      return volume;
    });
  }

  /** By name. */
  async list(): Promise<readonly Volume[]> {
    return (await allVolumes(this.#context.store)).map(publicVolume);
  }

  /**
   * A volume, and where containers have it.
   * @throws {KleeError} NOT_FOUND.
   */
  async inspect(name: string): Promise<VolumeDetails> {
    const { store } = this.#context;
    const volume = await volumeByName(store, name);
    const rows = await store.all("SELECT * FROM mountpoint WHERE volume = ? ORDER BY container_id", volume.id);
    return { mountpoints: rows.map(mountpointOf), volume: publicVolume(volume) };
  }

  /**
   * Removes a volume with all that is in it. Returns its name.
   * @throws {KleeError} CONFLICT while a container has it, running or not.
   */
  async remove(name: string): Promise<string> {
    const { root, store, host } = this.#context;
    const { id } = await volumeByName(store, name);
    await withUndo(
      this.#context,
      "remove volume",
      id,
      async (statements) => {
        const users = await statements.all("SELECT DISTINCT container_id FROM mountpoint WHERE volume = ?", id);
        if (users.length > 0) {
          const ids = users.map((row) => text(row, "container_id")).join(", ");
          throw new KleeError("CONFLICT", `could not remove volume ${name} since it is used by containers: ${ids}`);
        }
        await statements.run("DELETE FROM volume WHERE id = ?", id);
      },
      () => host.storage.removeVolume(root, id),
    );
    return name;
  }

  /** Removes the volumes that no container has. Returns their names. */
  async prune(): Promise<readonly string[]> {
    const rows = await this.#context.store.all(
      "SELECT name FROM volume WHERE id NOT IN (SELECT volume FROM mountpoint WHERE volume IS NOT NULL) ORDER BY name",
    );
    return removeUnused(
      rows.map((row) => text(row, "name")),
      (name) => this.remove(name),
    );
  }
}
