import { KleeError } from "../errors.ts";
import type { Volume } from "../model.ts";
import { flag, type Row, type Statements, text } from "../store/store.ts";

/** A volume as the store has it. */
export interface StoredVolume extends Volume {
  /** Names its directory or dataset. */
  readonly id: string;
  /** Has it what its first container's image had at its place? */
  readonly filled: boolean;
}

export async function volumeByName(statements: Statements, name: string): Promise<StoredVolume> {
  const row = await statements.get("SELECT * FROM volume WHERE name = ?", name);
  if (row === undefined) throw new KleeError("NOT_FOUND", `volume not found: ${name}`);
  return volumeOf(row);
}

export async function allVolumes(statements: Statements): Promise<StoredVolume[]> {
  return (await statements.all("SELECT * FROM volume ORDER BY name")).map(volumeOf);
}

function volumeOf(row: Row): StoredVolume {
  return {
    id: text(row, "id"),
    created: text(row, "created"),
    dataset: text(row, "dataset"),
    filled: flag(row, "filled"),
    mountpoint: text(row, "mountpoint"),
    name: text(row, "name"),
  };
}

/** As `klee volume inspect` shows it. */
export const publicVolume = ({ created, dataset, mountpoint, name }: StoredVolume): Volume => ({
  created,
  dataset,
  mountpoint,
  name,
});
