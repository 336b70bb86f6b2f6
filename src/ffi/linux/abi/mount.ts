// <sys/mount.h>

/** Flags of mount(2). */
export const mountFlags = {
  readOnly: 1, // MS_RDONLY
  noSuid: 2, // MS_NOSUID
  noDev: 4, // MS_NODEV
  noExec: 8, // MS_NOEXEC
  remount: 32, // MS_REMOUNT
  noAtime: 1024, // MS_NOATIME
  bind: 4096, // MS_BIND
  move: 8192, // MS_MOVE
  recursive: 16384, // MS_REC
  private: 1 << 18, // MS_PRIVATE
  slave: 1 << 19, // MS_SLAVE
  shared: 1 << 20, // MS_SHARED
} as const;

/** Flags of umount2(2). */
export const unmountFlags = {
  force: 1, // MNT_FORCE
  detach: 2, // MNT_DETACH
  expire: 4, // MNT_EXPIRE
  noFollow: 8, // UMOUNT_NOFOLLOW
} as const;

/** `f_type` of statfs(2), <linux/magic.h>. */
export const fileSystemMagics = {
  cgroup2: 0x63677270, // CGROUP2_SUPER_MAGIC
  overlay: 0x794c7630, // OVERLAYFS_SUPER_MAGIC
  proc: 0x9fa0, // PROC_SUPER_MAGIC
  tmpfs: 0x01021994, // TMPFS_MAGIC
  bpf: 0xcafe4a11, // BPF_FS_MAGIC
  sysfs: 0x62656572, // SYSFS_MAGIC
  devpts: 0x1cd1, // DEVPTS_SUPER_MAGIC
  cgroup: 0x27e0eb, // CGROUP_SUPER_MAGIC
  debugfs: 0x64626720, // DEBUGFS_MAGIC
  tracefs: 0x74726163, // TRACEFS_MAGIC
  securityfs: 0x73636673, // SECURITYFS_MAGIC
  pstore: 0x6165676c, // PSTOREFS_MAGIC
  efivarfs: 0xde5e81e4, // EFIVARFS_MAGIC
  selinuxfs: 0xf97cff8c, // SELINUX_MAGIC
  binfmt_misc: 0x42494e4d, // BINFMTFS_MAGIC
} as const;
