import type { CallDescription } from "../calls.ts";
import { OwnedFd } from "../fd.ts";
import { cFunction, syscall } from "./libc.ts";

export { openDescriptors } from "../fd.ts";

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
