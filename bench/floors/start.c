/*
 * Floor of a container's start to its exit: the kernel work alone, from one C program. Cgroups, namespaces, an overlay,
 * /proc, exec, wait, and all of it undone. start IMAGE SCRATCH CGROUP2; command: "run N".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

#include "floor.h"

static char options[4096], mountpoint[512], cgroup[512], payload[600];

static void child(void)
{
	char *const argv[] = { "true", NULL }, *const env[] = { "PATH=/bin", NULL };
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) die("private");
	if (mount("overlay", mountpoint, "overlay", MS_NOSUID | MS_NODEV, options) < 0) die("overlay");
	if (chdir(mountpoint) < 0 || mount("proc", "proc", "proc", MS_NOSUID, NULL) < 0) die("proc");
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) die("pivot_root");
	if (sethostname("floor", 5) < 0) die("sethostname");
	execve("/bin/true", argv, env);
	die("execve");
}

static void run(void)
{
	int status, group;
	pid_t pid;
	if (mkdir(cgroup, 0755) < 0 || mkdir(payload, 0755) < 0) die("cgroup");
	group = open(payload, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args arguments = { .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD, .cgroup = (uint64_t)group };
	pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
	if (pid < 0) die("clone3");
	if (pid == 0) child();
	if (waitpid(pid, &status, 0) < 0 || status != 0) die("wait");
	close(group);
	if (rmdir(payload) < 0 || rmdir(cgroup) < 0) die("rmdir cgroup");
}

int main(int argc, char **argv)
{
	char path[600];
	unsigned count;
	if (argc != 4) return 2;
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", argv[2], ((const char *[]){ "upper", "work", "root" })[i]);
		if (mkdir(path, 0755) < 0 && errno != EEXIST) die(path);
	}
	snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", argv[1], argv[2], argv[2]);
	snprintf(mountpoint, sizeof mountpoint, "%s/root", argv[2]);
	snprintf(cgroup, sizeof cgroup, "%s/klee-bench-%d", argv[3], getpid());
	snprintf(payload, sizeof payload, "%s/payload", cgroup);
	while (scanf(" run %u", &count) == 1) {
		uint64_t start = now();
		for (unsigned i = 0; i < count; i++) run();
		answer((double)(now() - start));
	}
	return 0;
}
