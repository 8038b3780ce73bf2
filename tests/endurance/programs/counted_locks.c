/* counted_locks DATABASE COUNTER: lock and unlock without end, and publish how many calls have returned.
 *
 * The counter lies in a file that is mapped shared, so that it outlives a kill. The n-th call is about 1 + n % 500
 * bytes: whoever reads the records sees which call each of them was. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SHARED_FIRST = 0x40000002, LENGTHS = 500 };

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int fd = open(argv[1], O_RDWR | O_CREAT, 0600), counter = open(argv[2], O_RDWR);
  if (fd < 0 || counter < 0) return 3;
  uint64_t *finished = mmap(NULL, sizeof *finished, PROT_READ | PROT_WRITE, MAP_SHARED, counter, 0);
  if (finished == MAP_FAILED) return 4;
  for (uint64_t n = 0;; n++) {
    struct flock range = {.l_type = n % 2 == 0 ? F_WRLCK : F_UNLCK,
                          .l_whence = SEEK_SET,
                          .l_start = SHARED_FIRST,
                          .l_len = (off_t)(1 + n % LENGTHS)};
    if (fcntl(fd, F_SETLK, &range) != 0) return 5;
    __atomic_store_n(finished, n + 1, __ATOMIC_RELEASE);
  }
}
