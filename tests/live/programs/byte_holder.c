/* Locks byte ranges and keeps them until its input ends: a plain program without SQLite.
 * usage: byte_holder FILE r|w START LENGTH [FILE r|w START LENGTH ...] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc < 5 || (argc - 1) % 4 != 0) return 2;
  for (int at = 1; at < argc; at += 4) {
    int file = open(argv[at], O_RDWR);
    struct flock range = {.l_type = argv[at + 1][0] == 'w' ? F_WRLCK : F_RDLCK,
                          .l_start = atol(argv[at + 2]),
                          .l_len = atol(argv[at + 3])};
    if (fcntl(file, F_SETLK, &range)) {
      perror("byte_holder");
      return 1;
    }
  }
  puts("held");
  fflush(stdout);
  getchar();
  return 0;
}
