/* Locks a range of a file and keeps it until its input ends.
 * usage: holder posix|ofd FILE START LENGTH */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int file = open(argv[2], O_RDWR | O_CREAT, 0600);
  struct flock range = {.l_type = F_WRLCK, .l_start = atol(argv[3]), .l_len = atol(argv[4])};
  if (fcntl(file, strcmp(argv[1], "ofd") == 0 ? F_OFD_SETLK : F_SETLK, &range)) {
    perror("holder");
    return 1;
  }
  puts("held");
  fflush(stdout);
  getchar();
  return 0;
}
