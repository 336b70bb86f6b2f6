import { SyscallError } from "../errno.ts";
import { FieldError } from "../struct.ts";
import { errnoTable } from "./abi/errno.ts";
import { cFunction, errnoCall, readCString } from "./libc.ts";

type NvlistPointer = bigint;
const nvlist_alloc = cFunction<[Buffer, number, number], number>(
  "int nvlist_alloc(void *nvlp, unsigned int nvflag, int kmflag)",
  "libnvpair",
);
const nvlist_free = cFunction<[NvlistPointer], void>("void nvlist_free(void *nvl)", "libnvpair");
const nvlist_add_boolean = cFunction<[NvlistPointer, string], number>(
  "int nvlist_add_boolean(void *nvl, const char *name)",
  "libnvpair",
);
const nvlist_add_uint64 = cFunction<[NvlistPointer, string, bigint], number>(
  "int nvlist_add_uint64(void *nvl, const char *name, uint64_t value)",
  "libnvpair",
);
const nvlist_add_string = cFunction<[NvlistPointer, string, string], number>(
  "int nvlist_add_string(void *nvl, const char *name, const char *value)",
  "libnvpair",
);
const nvlist_next_nvpair = cFunction<[NvlistPointer, bigint], number | bigint>(
  "uintptr_t nvlist_next_nvpair(void *nvl, void *nvp)",
  "libnvpair",
);
const nvpair_name = cFunction<[bigint], number | bigint>("uintptr_t nvpair_name(void *nvp)", "libnvpair");

const libzfs_core_init = cFunction<[], number>("int libzfs_core_init(void)", "libzfs_core");
const libzfs_core_fini = cFunction<[], void>("void libzfs_core_fini(void)", "libzfs_core");
const lzc_exists = cFunction<[string], number>("int lzc_exists(const char *dataset)", "libzfs_core");
const lzc_create = cFunction<[string, number, NvlistPointer, null, number], number>(
  "int lzc_create(const char *fsname, int type, void *props, void *wkeydata, unsigned int wkeylen)",
  "libzfs_core",
);
const lzc_clone = cFunction<[string, string, NvlistPointer], number>(
  "int lzc_clone(const char *fsname, const char *origin, void *props)",
  "libzfs_core",
);
const lzc_snapshot = cFunction<[NvlistPointer, bigint, Buffer], number>(
  "int lzc_snapshot(void *snaps, void *props, void *errlist)",
  "libzfs_core",
);
const lzc_destroy_snaps = cFunction<[NvlistPointer, number, Buffer], number>(
  "int lzc_destroy_snaps(void *snaps, int defer, void *errlist)",
  "libzfs_core",
);
const lzc_destroy = cFunction<[string], number>("int lzc_destroy(const char *dataset)", "libzfs_core");
const lzc_rollback_to = cFunction<[string, string], number>(
  "int lzc_rollback_to(const char *fsname, const char *snapname)",
  "libzfs_core",
);

/** sys/nvpair.h: a name may occur once. */
const NV_UNIQUE_NAME = 1;
/** libzfs_core.h, enum lzc_dataset_type: a file system. */
const LZC_DATSET_TYPE_ZFS = 2;
const POINTER_SIZE = 8;
/** sys/fs/zfs.h: longest dataset name with its NUL, in bytes. */
const ZFS_MAX_DATASET_NAME_LEN = 256;

/**
 * Properties of a dataset: text as text (`mountpoint`, and user properties such as `org.klee:id`), numbers and the
 * values of enumerated properties as bigint (`quota`; `canmount` off, on, noauto are 0, 1, 2).
 */
export type ZfsProperties = Readonly<Record<string, string | bigint>>;

/** Is this a name that the calls can take: `pool/a/b`, for a snapshot `pool/a@b`? ZFS itself checks the characters. */
function checkName(name: string): void {
  if (name === "" || name.includes("\0") || Buffer.byteLength(name) >= ZFS_MAX_DATASET_NAME_LEN) {
    throw new FieldError(`"${name}" is not a ZFS dataset name`);
  }
}

/** Lists are memory of this process: what fills them is no call of the kernel's. */
function succeed(call: string, object: string, errno: number): void {
  if (errno !== 0) throw new SyscallError({ call, object, errno, table: errnoTable });
}

function withNvlist<T>(fill: (list: NvlistPointer) => void, use: (list: NvlistPointer) => T): T {
  const cell = Buffer.alloc(POINTER_SIZE);
  succeed("nvlist_alloc", "", nvlist_alloc(cell, NV_UNIQUE_NAME, 0));
  const list = cell.readBigUInt64LE(0);
  try {
    fill(list);
    return use(list);
  } finally {
    nvlist_free(list);
  }
}

function addProperties(list: NvlistPointer, properties: ZfsProperties): void {
  for (const [name, value] of Object.entries(properties)) {
    const errno =
      typeof value === "bigint" ? nvlist_add_uint64(list, name, value) : nvlist_add_string(list, name, value);
    succeed("nvlist_add", name, errno);
  }
}

/** Names in the list of failures that a call gave, freed after reading. */
function takeFailures(cell: Buffer): string[] {
  const list = cell.readBigUInt64LE(0);
  if (list === 0n) return [];
  const names: string[] = [];
  for (let pair = nvlist_next_nvpair(list, 0n); BigInt(pair) !== 0n; pair = nvlist_next_nvpair(list, BigInt(pair))) {
    names.push(readCString(BigInt(nvpair_name(BigInt(pair))), ZFS_MAX_DATASET_NAME_LEN));
  }
  nvlist_free(list);
  return names;
}

let isOpen = false;

/** Runs with /dev/zfs held open, by libzfs_core_init(3): once for all calls that are made meanwhile. */
export function withZfs<T>(use: () => T): T {
  if (isOpen) return use();
  errnoCall({ call: "libzfs_core_init", object: "/dev/zfs" }, libzfs_core_init);
  isOpen = true;
  try {
    return use();
  } finally {
    isOpen = false;
    libzfs_core_fini();
  }
}

/** Is there a dataset or snapshot of this name? False also when it cannot be asked. */
export function datasetExists(name: string): boolean {
  checkName(name);
  return withZfs(() => lzc_exists(name) !== 0);
}

/**
 * Creates a file system. It is not mounted: see mountZfs.
 *
 * @throws {SyscallError} EEXIST; ENOENT when its parent is not there.
 */
export function createDataset(name: string, properties: ZfsProperties = {}): void {
  checkName(name);
  withZfs(() =>
    withNvlist(
      (list) => addProperties(list, properties),
      (list) =>
        errnoCall({ call: "lzc_create", object: name }, () => lzc_create(name, LZC_DATSET_TYPE_ZFS, list, null, 0)),
    ),
  );
}

/** Makes a file system of a snapshot. It is not mounted. @throws {SyscallError} EEXIST; ENOENT when either is missing. */
export function cloneDataset(snapshot: string, name: string, properties: ZfsProperties = {}): void {
  checkName(snapshot);
  checkName(name);
  withZfs(() =>
    withNvlist(
      (list) => addProperties(list, properties),
      (list) => errnoCall({ call: "lzc_clone", object: `${snapshot} ${name}` }, () => lzc_clone(name, snapshot, list)),
    ),
  );
}

function onSnapshots(
  call: string,
  snapshots: readonly string[],
  invoke: (list: NvlistPointer, failures: Buffer) => number,
): void {
  for (const name of snapshots) checkName(name);
  withZfs(() =>
    withNvlist(
      (list) => {
        for (const name of snapshots) succeed("nvlist_add", name, nvlist_add_boolean(list, name));
      },
      (list) => {
        const failures = Buffer.alloc(POINTER_SIZE);
        let failed: string[] = [];
        const kernelText = () => failed.join(", ");
        errnoCall({ call, object: snapshots.join(" "), kernelText }, () => {
          const errno = invoke(list, failures);
          failed = takeFailures(failures);
          return errno;
        });
      },
    ),
  );
}

/** Takes snapshots, `pool/a@b`, of one pool: all or none. @throws {SyscallError} EEXIST, ENOENT; naming which. */
export function createSnapshots(snapshots: readonly string[]): void {
  onSnapshots("lzc_snapshot", snapshots, (list, failures) => lzc_snapshot(list, 0n, failures));
}

/**
 * Destroys snapshots of one pool: all or none. One that is gone already is no error.
 *
 * @param options `deferred`: one that has clones or is held goes with the last of them.
 * @throws {SyscallError} EEXIST when a snapshot has clones, EBUSY when it is held; naming which.
 */
export function destroySnapshots(snapshots: readonly string[], options: { readonly deferred?: boolean } = {}): void {
  const defer = options.deferred ? 1 : 0;
  onSnapshots("lzc_destroy_snaps", snapshots, (list, failures) => lzc_destroy_snaps(list, defer, failures));
}

/** Destroys a file system without snapshots and children. @throws {SyscallError} EBUSY when it is mounted; ENOENT. */
export function destroyDataset(name: string): void {
  checkName(name);
  withZfs(() => errnoCall({ call: "lzc_destroy", object: name }, () => lzc_destroy(name)));
}

/** Gives a file system back the state of its latest snapshot, `pool/a@b`. @throws {SyscallError} EEXIST, ENOENT. */
export function rollbackDataset(name: string, snapshot: string): void {
  checkName(name);
  checkName(snapshot);
  withZfs(() => errnoCall({ call: "lzc_rollback_to", object: snapshot }, () => lzc_rollback_to(name, snapshot)));
}
