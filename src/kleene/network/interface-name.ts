import { KleeError } from "../errors.ts";

/** IFNAMSIZ less the NUL: the longest interface name of both systems. */
const INTERFACE_NAME_MAX = 15;

/** @throws {KleeError} INVALID */
export function checkInterfaceName(name: string): void {
  if (name.length > INTERFACE_NAME_MAX || !/^[a-zA-Z][a-zA-Z0-9_.-]*$/.test(name))
    throw new KleeError(
      "INVALID",
      `invalid interface name ${JSON.stringify(name)}: use letters, digits, '_', '.' and '-', a letter first, ${INTERFACE_NAME_MAX} at most`,
    );
}
