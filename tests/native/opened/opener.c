/* HOW LIBRARY DATABASE ...: opens each library, "Now" or "lazily" and perhaps "deep", and has it lock. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef int lock_function(const char *path);

static int play(const char *library, int mode, const char *database) {
  lock_function *lock_reserved;
  void *opened = dlopen(library, mode);
  if (opened == NULL) {
    puts(dlerror());
    return 3;
  }
  void *symbol = dlsym(opened, "lock_reserved");
  memcpy(&lock_reserved, &symbol, sizeof symbol);
  int failed = lock_reserved(database);
  return failed || dlclose(opened) != 0 || dlerror() != NULL;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int mode = (argv[1][0] == 'N' ? RTLD_NOW : RTLD_LAZY) | (strstr(argv[1], "deep") != NULL ? RTLD_DEEPBIND : 0);
  for (int i = 2; i + 1 < argc; i += 2) {
    int failed = play(argv[i], mode, argv[i + 1]);
    if (failed) return failed;
  }
  return 0;
}
