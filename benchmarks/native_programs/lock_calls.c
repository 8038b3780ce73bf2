/* lock_calls DATABASE COUNT: that many lock calls that nobody refuses. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int fd = argc == 3 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;
  if (fd < 0) return 2;
  for (long i = 0, count = strtol(argv[2], NULL, 10); i < count; i++) {
    struct flock range = {.l_type = i % 2 == 0 ? F_RDLCK : F_UNLCK, .l_start = 0x40000002, .l_len = 510};
    if (fcntl(fd, F_SETLK, &range) != 0) return 3;
  }
  return 0;
}
