import { disabled } from "./disabled.ts";
import type { Driver } from "./driver.ts";
import { host } from "./host.ts";
import { ipnet } from "./ipnet.ts";

/** All network drivers, by the names that the command line and the store have for them. */
export const drivers = { ipnet, host, disabled } as const satisfies Readonly<Record<string, Driver>>;

export type NetworkDriver = keyof typeof drivers;

export const driverNames = Object.keys(drivers) as readonly NetworkDriver[];

/** What a container gets that names a network, and one that does not. */
export const DEFAULT_DRIVERS = { withNetwork: "ipnet", withoutNetwork: "host" } as const satisfies Readonly<
  Record<string, NetworkDriver>
>;

/** In a network's place: the host's own network, and none. No network has these names. */
export const PLACES: Readonly<Record<string, NetworkDriver>> = { host: "host", none: "disabled" };

/** `a, b or c` */
export const DRIVER_CHOICE = driverNames.join(", ").replace(/, (?=[^,]*$)/, " or ");

export const isDriver = (name: string): name is NetworkDriver => Object.hasOwn(drivers, name);
