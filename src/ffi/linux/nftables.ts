import { writeFileSync } from "node:fs";
import { FieldError } from "../struct.ts";
import { traceCall, traceStart, tracing } from "../trace.ts";
import { MFD_CLOEXEC } from "./abi/file.ts";
import {
  NFNETLINK_V0,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFT_MSG_GETGEN,
  NFT_MSG_GETRULE,
  NFTA_GEN_ID,
  NFTA_RULE_TABLE,
  nfgenmsg,
} from "./abi/netfilter.ts";
import { Fd } from "./fd.ts";
import { cFunction, syscallError } from "./libc.ts";
import { decodeAttributes, encodeAttribute, NetlinkFormatError } from "./netlink/message.ts";
import { type NetlinkSocket, openNetfilter } from "./netlink/socket.ts";

// <nftables/libnftables.h>
const NFT_CTX_DEFAULT = 0;
const NFT_CTX_OUTPUT_JSON = 1 << 4;

const ENOMEM = 12;
/** How much of a command an error or the trace quotes, in characters. */
const QUOTE_LENGTH = 120;
/** How many of a command's errors are told. */
const ERRORS_QUOTED = 2;

const memfd_create = cFunction<[string, number], number>("int memfd_create(const char *name, unsigned int flags)");

const nftFunction = <A extends readonly unknown[], R>(prototype: string) => cFunction<A, R>(prototype, "libnftables");
const nft_ctx_new = nftFunction<[number], bigint | null>("void *nft_ctx_new(uint32_t flags)");
const nft_ctx_free = nftFunction<[bigint], void>("void nft_ctx_free(void *ctx)");
const nft_ctx_buffer_output = nftFunction<[bigint], number>("int nft_ctx_buffer_output(void *ctx)");
const nft_ctx_buffer_error = nftFunction<[bigint], number>("int nft_ctx_buffer_error(void *ctx)");
const nft_ctx_get_output_buffer = nftFunction<[bigint], string | null>(
  "const char *nft_ctx_get_output_buffer(void *ctx)",
);
const nft_ctx_get_error_buffer = nftFunction<[bigint], string | null>(
  "const char *nft_ctx_get_error_buffer(void *ctx)",
);
const nft_ctx_output_set_flags = nftFunction<[bigint, number], void>(
  "void nft_ctx_output_set_flags(void *ctx, unsigned int flags)",
);
const nft_run_cmd_from_filename = nftFunction<[bigint, string], number>(
  "int nft_run_cmd_from_filename(void *ctx, const char *filename)",
);

/** nft refused a command, or the kernel did. Nothing of it was applied. */
export class NftablesError extends Error {
  override readonly name = "NftablesError";
  /** nft's own words, on one line. */
  readonly kernelText: string;

  constructor(kernelText: string) {
    super(`nft: ${kernelText}`);
    this.kernelText = kernelText;
  }
}

/** How libnftables runs a command. */
export interface RunOptions {
  /** Print what is listed as JSON, libnftables-json(5). */
  readonly json?: boolean | undefined;
}

/** A libnftables context, libnftables(3). */
export interface Nft extends Disposable {
  /**
   * Runs commands in nft's language as one transaction: all of it or nothing. Equivalent to: `nft -f -`.
   *
   * @returns what the commands printed.
   * @throws {NftablesError} with nft's own words.
   */
  run(text: string, options?: RunOptions): string;
}

/**
 * Opens libnftables, in the network namespace of this moment.
 *
 * After a transaction that deletes, disposing takes up to some 15 ms: whenever a netfilter socket is closed, by exit too,
 * the kernel waits until what was deleted before is freed, a grace period after the transaction. What is done between
 * the two shortens the wait.
 *
 * @throws {LibraryError} when the library is missing.
 * @throws {SyscallError} when it can make no context: EPROTONOSUPPORT where the kernel has no nftables.
 */
export function openNft(): Nft {
  // Without a socket libnftables ends the process by itself: what it would be refused, this is refused first.
  openNetfilter()[Symbol.dispose]();
  const startedAt = traceStart();
  let context = nft_ctx_new(NFT_CTX_DEFAULT);
  traceCall("nft_ctx_new", "", context === null ? "ENOMEM" : 0, startedAt);
  if (context === null) throw syscallError("nft_ctx_new", "", ENOMEM);
  if (nft_ctx_buffer_output(context) !== 0 || nft_ctx_buffer_error(context) !== 0) {
    nft_ctx_free(context);
    throw syscallError("nft_ctx_buffer_output", "", ENOMEM);
  }
  return {
    run(text, options = {}) {
      if (context === null) throw new Error("this nftables context was disposed");
      if (text.includes("\0")) throw new FieldError("an nftables command holds a NUL byte");
      const startedAt = traceStart();
      // From a file, though only a memory one: of commands in a buffer libnftables quotes the first line in every error.
      using file = memoryFile(text);
      nft_ctx_output_set_flags(context, options.json ? NFT_CTX_OUTPUT_JSON : 0);
      const [opened, path] = [context, `/proc/self/fd/${file.number}`];
      const status = nft_run_cmd_from_filename(opened, path);
      // Reading a buffer empties it: both, or a warning of this command would turn up in the error of the next.
      const output = nft_ctx_get_output_buffer(context) ?? "";
      const words = nft_ctx_get_error_buffer(context) ?? "";
      if (tracing()) traceCall("nft", quote(text), status, startedAt);
      if (status !== 0) throw new NftablesError(oneLine(words));
      return output;
    },
    [Symbol.dispose]() {
      const opened = context;
      context = null;
      if (opened === null) return;
      const startedAt = traceStart();
      nft_ctx_free(opened);
      traceCall("nft_ctx_free", "", 0, startedAt);
    },
  };
}

/**
 * How many rules an `inet` table has; 0 when there is no such table. Asks the kernel itself: whatever libnftables lists,
 * it first reads all sets.
 *
 * @param socket of openNetfilter.
 * @throws {SyscallError}
 */
export function countRules(socket: NetlinkSocket, table: string): number {
  const name = encodeAttribute(NFTA_RULE_TABLE, Buffer.from(`${table}\0`));
  return socket.dump({
    call: "NFT_MSG_GETRULE",
    object: table,
    type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE,
    flags: 0,
    body: Buffer.concat([nfgenmsg.encode({ nfgen_family: NFPROTO_INET, version: NFNETLINK_V0 }), name]),
  }).length;
}

/**
 * The number of the ruleset's generation: another one after each transaction, whoever's, of this network namespace.
 *
 * @param socket of openNetfilter.
 * @throws {SyscallError}
 */
export function generation(socket: NetlinkSocket): number {
  const [reply] = socket.request({
    call: "NFT_MSG_GETGEN",
    object: "nftables",
    type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN,
    flags: 0,
    body: nfgenmsg.encode({ version: NFNETLINK_V0 }),
  });
  const id = reply && decodeAttributes(reply.body, nfgenmsg.size).get(NFTA_GEN_ID);
  if (id === undefined) throw new NetlinkFormatError("NFT_MSG_GETGEN: no generation in the answer");
  // In network byte order, as all numbers of nftables.
  return id.readUInt32BE(0);
}

/** A file without a name that holds the text, memfd_create(2). */
function memoryFile(text: string): Fd {
  const fd = Fd.of({ call: "memfd_create", object: "nft" }, () => memfd_create("nft", MFD_CLOEXEC));
  // The last command, too, must end with a newline.
  return fd.prepared(({ number }) => writeFileSync(number, `${text}\n`));
}

/**
 * nft prints each error as `SOURCE:LINE:COLUMNS: Error: WORDS` (the place may be missing), the offending line, and a line
 * of carets below it.
 */
function oneLine(words: string): string {
  const errors: { words: string; line: string | undefined }[] = [];
  for (const line of words.split("\n")) {
    if (/^[\s^~]*$/.test(line)) continue;
    const error = /^(?:\S+:\d+:\d+(?:-\d+)?: )?(?:Error: )(.*)$/.exec(line);
    const last = errors.at(-1);
    if (error?.[1] !== undefined || last === undefined) errors.push({ words: error?.[1] ?? line, line: undefined });
    else last.line ??= quote(line);
  }
  // When the kernel refuses a whole transaction, each of its commands is an error: the first few tell all.
  const texts = errors
    .slice(0, ERRORS_QUOTED)
    .map((error) => error.words + (error.line === undefined ? "" : ` (in: ${error.line})`));
  if (errors.length > ERRORS_QUOTED) texts.push(`${errors.length - ERRORS_QUOTED} more`);
  return texts.length === 0 ? "failed without a word" : texts.join("; ");
}

function quote(text: string): string {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}...` : line;
}
