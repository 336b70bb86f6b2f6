/*
 * Floor of the firewall's changes: libnftables called from C with the same text. nft DIRECTORY; commands: "run FILE",
 * a file of the directory that holds the commands.
 */
#include <dlfcn.h>

#include "floor.h"

int main(int argc, char **argv)
{
	char file[64], path[600];
	void *library = dlopen("libnftables.so.1", RTLD_NOW);
	if (argc != 2 || library == NULL) return 2;
	void *(*new_context)(uint32_t) = dlsym(library, "nft_ctx_new");
	int (*run)(void *, const char *) = dlsym(library, "nft_run_cmd_from_filename");
	void *context = new_context(0);
	while (scanf(" run %63s", file) == 1) {
		snprintf(path, sizeof path, "%s/%s", argv[1], file);
		uint64_t start = now();
		if (run(context, path) != 0) return 1;
		answer((double)(now() - start));
	}
	return 0;
}
