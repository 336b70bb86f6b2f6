/** jail(8): a command with shell syntax is given to the container's sh(1), any other is split at blanks. */
export function jailCommand(command: string): string[] {
  return /[!"$&'()*;<>?[\\\]`{|}~]/.test(command) ? ["/bin/sh", "-c", command] : command.trim().split(/\s+/);
}
