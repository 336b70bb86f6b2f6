/**
 * Mark of a container's raw sockets: the first 32 bits of its id, never 0, which means no mark. The firewall gives a
 * marked packet the container's own source address.
 */
export function markOf(containerId: string): number {
  return Number.parseInt(containerId.slice(0, 8), 16) || 1;
}
