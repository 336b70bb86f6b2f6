/* The thread of klee's addon that FAIL_THREAD names, counted from 1, cannot be had: a limit of processes is reached. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int count;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
  Dl_info caller;
  const char *wanted = getenv("FAIL_THREAD");
  if (wanted && dladdr(__builtin_return_address(0), &caller) && strstr(caller.dli_fname, "klee.node") &&
      atomic_fetch_add(&count, 1) + 1 == atoi(wanted))
    return EAGAIN;
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
  return real(thread, attributes, start, argument);
}
