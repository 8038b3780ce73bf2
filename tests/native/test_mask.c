/* Masks what comes on standard input, one request after the other, until it ends:
 *
 *   how (1 byte: s sql, f folded sql, m message), code (4), room (4), length (4), the text
 *
 * and answers each with a length (4) and the masked text. Input and output each lie in a block of memory of exactly
 * their size, so that the address sanitizer sees a step beyond. Numbers are as the machine has them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mask.h"

struct request {
  char how;
  uint32_t code, room, length;
};

static int read_request(struct request *request) {
  return fread(&request->how, 1, 1, stdin) == 1 && fread(&request->code, 4, 1, stdin) == 1 &&
         fread(&request->room, 4, 1, stdin) == 1 && fread(&request->length, 4, 1, stdin) == 1;
}

static size_t answer(const struct request *request, const char *in, char *out) {
  switch (request->how) {
    case 'm': return ls_mask_message(in, request->length, request->code, out, request->room);
    case 'f': return ls_fold_sql(in, request->length, out, request->room);
    default: return ls_mask_sql(in, request->length, out, request->room);
  }
}

int main(void) {
  struct request request;
  while (read_request(&request)) {
    char *in = malloc(request.length), *out = malloc(request.room);
    if ((in == NULL && request.length > 0) || (out == NULL && request.room > 0)) return 2;
    if (fread(in, 1, request.length, stdin) != request.length) return 2;
    uint32_t n = (uint32_t)answer(&request, in, out);
    if (n > request.room) return 3;
    fwrite(&n, 4, 1, stdout);
    fwrite(out, 1, n, stdout);
    fflush(stdout);
    free(in);
    free(out);
  }
  return 0;
}
