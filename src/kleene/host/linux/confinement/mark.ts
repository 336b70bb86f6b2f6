/**
 * An id as a number that the kernel can hold: its first 32 bits, never 0, which means none. The mark of a container's
 * raw sockets, by which the firewall gives their packets the container's own source address, and the group of a
 * network's interface.
 */
export function markOf(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16) || 1;
}
