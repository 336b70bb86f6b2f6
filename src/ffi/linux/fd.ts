import type { CallDescription } from "../calls.ts";
import { OwnedFd } from "../fd.ts";
import { O_CLOEXEC } from "./abi/file.ts";
import { cFunction, syscall } from "./libc.ts";

export { openDescriptors } from "../fd.ts";

const open = cFunction<[string, number, "int", number], number>("int open(const char *path, int flags, ...)");
const close = cFunction<[number], number>("int close(int fd)");

/** A file descriptor that one owner closes, once. Use with `using`. */
export class Fd extends OwnedFd {
  /**
   * Makes a call that returns a new descriptor.
   *
   * @param object what the descriptor is called, unless as the call's object.
   * @throws {SyscallError}
   */
  static of(description: CallDescription, invoke: () => number, object = description.object): Fd {
    return new Fd(syscall(description, invoke), object);
  }

  protected override closeNumber(): void {
    syscall({ call: "close", object: this.object }, () => close(this.number));
  }
}

/**
 * Opens a file, open(2), which programs that are executed do not get.
 *
 * @param object what the descriptor is called, unless as the path.
 * @throws {SyscallError}
 */
export function openFile(path: string, flags: number, mode = 0, object = path): Fd {
  return Fd.of({ call: "open", object: path }, () => open(path, flags | O_CLOEXEC, "int", mode), object);
}
