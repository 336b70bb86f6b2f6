import { KleeError } from "./errors.ts";

/**
 * Removes what was unused a moment ago. What another command has removed, or taken into use, since then is passed over.
 *
 * @returns the ids of those removed.
 */
export async function removeUnused(ids: readonly string[], remove: (id: string) => Promise<string>): Promise<string[]> {
  const removed: string[] = [];
  for (const id of ids) {
    try {
      removed.push(await remove(id));
    } catch (error) {
      if (!(error instanceof KleeError && ["NOT_FOUND", "CONFLICT"].includes(error.code))) throw error;
    }
  }
  return removed;
}
