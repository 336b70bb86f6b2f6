/*
 * Runs a program and stops it at one of its system calls that change something: kills it before the call is made, has it
 * stand still there, SIGSTOP, or makes the call fail. Points are counted over all threads of klee, or, with "supervisor", in the process that klee
 * starts. ptrace(2)
 *
 *   fault REPORT klee|supervisor POINT kill|stop|ERRNO PROGRAM ARG...
 *
 * Writes one line for each point passed to REPORT, and for one that stands still its process; point 0 is never reached. Exits with the program's status, 137 when
 * it was killed.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "a failing call is made with x86-64's registers"
#endif

enum { TASKS = 256, KILLED = 137 };

static struct task {
    pid_t id;
    int failing;
} tasks[TASKS];

static const struct call {
    long number;
    const char *name;
    int onFile; /* counted only on a file, not on a pipe, a socket or an event descriptor; nor on 0 to 2, which libraries
                   of others flush at the end */
} calls[] = {
#define CALL(name, onFile) {SYS_##name, #name, onFile}
    CALL(write, 1),       CALL(pwrite64, 1),  CALL(writev, 1),   CALL(pwritev, 1),    CALL(ftruncate, 0),
    CALL(fsync, 1),       CALL(fdatasync, 1), CALL(sendmsg, 0),  CALL(sendto, 0),     CALL(bpf, 0),
    CALL(mkdir, 0),       CALL(mkdirat, 0),   CALL(rmdir, 0),    CALL(unlink, 0),     CALL(unlinkat, 0),
    CALL(rename, 0),      CALL(renameat, 0),  CALL(renameat2, 0), CALL(link, 0),      CALL(linkat, 0),
    CALL(symlink, 0),     CALL(symlinkat, 0), CALL(chmod, 0),    CALL(fchmod, 0),     CALL(fchmodat, 0),
    CALL(chown, 0),       CALL(lchown, 0),    CALL(fchown, 0),   CALL(utimensat, 0),  CALL(mknodat, 0),
    CALL(copy_file_range, 0), CALL(sendfile, 0), CALL(flock, 0), CALL(kill, 0),       CALL(pidfd_send_signal, 0),
    CALL(vfork, 0),       CALL(clone, 0),     CALL(clone3, 0),   CALL(setns, 0),      CALL(execve, 0),
    CALL(mount, 0),       CALL(umount2, 0),   CALL(pivot_root, 0), CALL(open_tree, 0), CALL(move_mount, 0),
    CALL(fsopen, 0),      CALL(fsconfig, 0),  CALL(fsmount, 0),  CALL(mount_setattr, 0), CALL(socket, 0),
    CALL(bind, 0),        CALL(setsockopt, 0),
};

static void fail(const char *what) {
    perror(what);
    exit(125);
}

static struct task *find(pid_t id) {
    struct task *empty = NULL;
    for (int i = 0; i < TASKS; i++) {
        if (tasks[i].id == id) return &tasks[i];
        if (!tasks[i].id && !empty) empty = &tasks[i];
    }
    if (!empty) fail("tasks");
    return empty;
}

/* Of the thread group that a task belongs to: /proc/ID/status, Tgid. */
static pid_t processOf(pid_t id) {
    char path[64], line[128];
    int process = 0;
    snprintf(path, sizeof path, "/proc/%d/status", id);
    FILE *status = fopen(path, "r");
    if (!status) return 0;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "Tgid: %d", &process) == 1) break;
    fclose(status);
    return process;
}

static void target(pid_t id, unsigned long long fd, char *out, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%lld", id, (long long)fd);
    ssize_t n = readlink(path, out, size - 1);
    out[n < 0 ? 0 : n] = 0;
}

/* Starting a thread changes nothing for others. clone3 has its flags in memory, first in its structure. */
static int startsThread(pid_t id, const struct __ptrace_syscall_info *info) {
    unsigned long long flags = info->entry.args[0];
    if (info->entry.nr == SYS_clone3) flags = ptrace(PTRACE_PEEKDATA, id, flags, 0);
    return (flags & CLONE_THREAD) != 0;
}

/* SQLite's index of its log, which it makes anew after a crash. */
static int isIndex(const char *path) {
    size_t length = strlen(path);
    return length > 4 && !strcmp(path + length - 4, "-shm");
}

static const struct call *judge(pid_t id, const struct __ptrace_syscall_info *info, char *object, size_t size) {
    object[0] = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].number != (long)info->entry.nr) continue;
        if (calls[i].onFile) {
            if (info->entry.args[0] <= 2) return NULL;
            target(id, info->entry.args[0], object, size);
            if (object[0] != '/' || isIndex(object)) return NULL;
        }
        if ((info->entry.nr == SYS_clone || info->entry.nr == SYS_clone3) && startsThread(id, info)) return NULL;
        return &calls[i];
    }
    return NULL;
}

static void changeRegisters(pid_t id, int entry, int error) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, id, 0, &registers)) return;
    if (entry) registers.orig_rax = -1;
    else registers.rax = -error;
    ptrace(PTRACE_SETREGS, id, 0, &registers);
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: fault REPORT klee|supervisor POINT kill|stop|ERRNO PROGRAM ARG...\n");
        return 125;
    }
    FILE *report = fopen(argv[1], "we");
    if (!report) fail(argv[1]);
    int ofSupervisor = !strcmp(argv[2], "supervisor");
    long point = atol(argv[3]);
    int standing = !strcmp(argv[4], "stop"), left = 0;
    int error = standing || !strcmp(argv[4], "kill") ? 0 : atoi(argv[4]);
    long passed = 0;
    pid_t klee = fork(), supervisor = 0;
    if (klee < 0) fail("fork");
    if (klee == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execvp(argv[5], argv + 5);
        fail(argv[5]);
    }
    int status;
    if (waitpid(klee, &status, 0) < 0) fail("waitpid");
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ofSupervisor) options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    if (ptrace(PTRACE_SETOPTIONS, klee, 0, options)) fail("ptrace");
    find(klee)->id = klee;
    ptrace(PTRACE_SYSCALL, klee, 0, 0);
    int result = -1, done = 0, running = 0;
    for (;;) {
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0) break;
        struct task *task = find(id);
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            task->id = 0;
            if (id == klee) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            if (id == supervisor) supervisor = -1;
            /* A supervisor goes on by itself once klee has ended, unless its point is still to come. */
            if (result >= 0 && (!ofSupervisor || supervisor <= 0 || done || point == 0)) break;
            continue;
        }
        if (!WIFSTOPPED(status)) continue;
        if (left) {
            /* Each thread is let go of where it is; what has stopped the process stops it, too. */
            int passed_on = WSTOPSIG(status);
            ptrace(PTRACE_DETACH, id, 0, passed_on == (SIGTRAP | 0x80) || status >> 16 ? 0 : passed_on);
            continue;
        }
        int new = !task->id, signal = WSTOPSIG(status), event = status >> 16;
        task->id = id;
        if (new && signal == SIGSTOP) {
            if (ofSupervisor && supervisor == 0 && processOf(id) != klee) {
                supervisor = id;
                ptrace(PTRACE_SETOPTIONS, id, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC);
            }
            signal = 0;
        } else if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            char object[512];
            const struct call *call;
            signal = 0;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof info, &info) > 0) {
                int counted = ofSupervisor ? id == supervisor : running;
                if (info.op == PTRACE_SYSCALL_INFO_ENTRY && counted && (call = judge(id, &info, object, sizeof object))) {
                    passed++;
                    fprintf(report, "%ld %s %s\n", passed, call->name, object);
                    if (passed == point) {
                        done = 1;
                        fflush(report);
                        if (error) {
                            task->failing = 1;
                            changeRegisters(id, 1, error);
                        } else if (standing) {
                            left = 1;
                            kill(klee, SIGSTOP);
                            fprintf(report, "%ld stopped %d\n", passed, klee);
                            fflush(report);
                            ptrace(PTRACE_DETACH, id, 0, 0);
                            continue;
                        } else kill(ofSupervisor ? supervisor : klee, SIGKILL);
                    }
                } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && task->failing) {
                    task->failing = 0;
                    changeRegisters(id, 0, error);
                }
            }
        } else if (event) {
            /* From here on it is the program, found and executed. */
            running |= event == PTRACE_EVENT_EXEC;
            signal = 0;
        }
        ptrace(PTRACE_SYSCALL, id, 0, signal);
    }
    fclose(report);
    return result < 0 ? KILLED : result;
}
