// <sys/mount.h>

// Flags of mount(2).
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_REMOUNT = 32;
export const MS_NOATIME = 1024;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;

// Flags of umount2(2).
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;
export const MNT_EXPIRE = 4;
export const UMOUNT_NOFOLLOW = 8;

// `f_type` of statfs(2), <linux/magic.h>.
export const CGROUP2_SUPER_MAGIC = 0x63677270;
export const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
export const PROC_SUPER_MAGIC = 0x9fa0;
export const TMPFS_MAGIC = 0x01021994;
export const BPF_FS_MAGIC = 0xcafe4a11;
export const SYSFS_MAGIC = 0x62656572;
export const DEVPTS_SUPER_MAGIC = 0x1cd1;
export const CGROUP_SUPER_MAGIC = 0x27e0eb;
export const DEBUGFS_MAGIC = 0x64626720;
export const TRACEFS_MAGIC = 0x74726163;
export const SECURITYFS_MAGIC = 0x73636673;
export const PSTOREFS_MAGIC = 0x6165676c;
export const EFIVARFS_MAGIC = 0xde5e81e4;
export const SELINUX_MAGIC = 0xf97cff8c;
export const BINFMTFS_MAGIC = 0x42494e4d;
