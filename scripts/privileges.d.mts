/** Can this process make namespaces and mounts? Root in a container often cannot. */
export function isPrivileged(): boolean;

/** The beginning of a command that runs the rest of it as root of a user namespace; undefined where none is to be had. */
export function asNamespaceRoot(): string[] | undefined;
