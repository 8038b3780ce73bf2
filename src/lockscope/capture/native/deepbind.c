/* Libraries that were opened with RTLD_DEEPBIND.
 *
 * They look functions up in themselves and in what they need first, and so reach the C library past every preloaded one
 * (dlopen(3)). PHP opens all its extensions so (DL_LOAD in zend_portability.h): without this not one lock of a PHP
 * program would be seen. Once dlopen has returned, what they have bound to the real functions is bound to ours, as it
 * would be without that flag; nothing else of their binding changes. */
#include "real.h"

#include "recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
enum { TO_DATA = R_X86_64_64, TO_TABLE = R_X86_64_GLOB_DAT, TO_CALL = R_X86_64_JUMP_SLOT };
#elif defined(__aarch64__)
enum { TO_DATA = R_AARCH64_ABS64, TO_TABLE = R_AARCH64_GLOB_DAT, TO_CALL = R_AARCH64_JUMP_SLOT };
#else
enum { TO_DATA = -1, TO_TABLE = -1, TO_CALL = -1 }; /* another processor's relocations: left alone */
#endif

struct wrapped {
  const char *name;
  void *ours, *real;
};

#define LS_WRAPPED(result, name, parameters) {#name, (void *)name, NULL},
static struct wrapped wrapped[] = {
    LS_REAL_FUNCTIONS(LS_WRAPPED){"_Exit", (void *)_Exit, NULL},
    {"execv", (void *)execv, NULL},
    {"execvp", (void *)execvp, NULL},
    {"execl", (void *)execl, NULL},
    {"execlp", (void *)execlp, NULL},
    {"execle", (void *)execle, NULL},
};
enum { WRAPPED = sizeof wrapped / sizeof wrapped[0] };

/* One loaded object: what of its headers is needed here. */
struct object {
  uintptr_t base;
  const ElfW(Phdr) * headers;
  size_t count;
  const ElfW(Sym) * symbols;
  const char *names;
};

static uintptr_t page_down(uintptr_t address) { return address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1); }

static bool lies_in(const struct object *object, const ElfW(Phdr) * header, uintptr_t address) {
  uintptr_t start = object->base + header->p_vaddr;
  return address >= start && address - start < header->p_memsz;
}

/* The object's header of this type that holds an address; NULL for none. */
static const ElfW(Phdr) * header_of(const struct object *object, ElfW(Word) type, uintptr_t address) {
  for (size_t i = 0; i < object->count; i++) {
    const ElfW(Phdr) *header = &object->headers[i];
    if (header->p_type == type && lies_in(object, header, address)) return header;
  }
  return NULL;
}

/* What the loader has made read-only after binding, ends at a page's border: _dl_protect_relro in dl-reloc.c. */
static bool is_protected(const struct object *object, uintptr_t address) {
  const ElfW(Phdr) *relro = header_of(object, PT_GNU_RELRO, address);
  return relro != NULL && address < page_down(object->base + relro->p_vaddr + relro->p_memsz);
}

static void bind(const struct object *object, void **slot, void *ours) {
  uintptr_t address = (uintptr_t)slot;
  const ElfW(Phdr) *segment = header_of(object, PT_LOAD, address);
  if (segment == NULL || (segment->p_flags & PF_W) == 0 || address % sizeof *slot != 0) return;
  void *page = (void *)page_down(address);
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  bool protected = is_protected(object, address);
  if (protected && mprotect(page, size, PROT_READ | PROT_WRITE) != 0) return;
  __atomic_store_n(slot, ours, __ATOMIC_RELEASE);
  if (protected) (void)mprotect(page, size, PROT_READ);
}

static const struct wrapped *wrapped_as(const char *name) {
  for (size_t i = 0; i < WRAPPED; i++) {
    if (strcmp(wrapped[i].name, name) == 0) return &wrapped[i];
  }
  return NULL;
}

static void rebind(const struct object *object, const ElfW(Rela) * relocation) {
  int type = (int)ELF64_R_TYPE(relocation->r_info);
  const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(relocation->r_info)];
  if ((type != TO_DATA && type != TO_TABLE && type != TO_CALL) || symbol->st_shndx != SHN_UNDEF) return;
  if (relocation->r_addend != 0) return;
  const struct wrapped *function = wrapped_as(object->names + symbol->st_name);
  if (function == NULL || function->real == NULL) return;
  void **slot = (void **)(object->base + relocation->r_offset);
  void *bound = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
  /* Until its first call a lazily bound function is a place in the object's own linkage table. */
  bool unbound = type == TO_CALL && header_of(object, PT_LOAD, (uintptr_t)bound) != NULL;
  if (bound == function->real || unbound) bind(object, slot, function->ours);
}

static void rebind_all(const struct object *object, uintptr_t table, size_t bytes) {
  const ElfW(Rela) *relocations = (const ElfW(Rela) *)table;
  for (size_t i = 0; table != 0 && i < bytes / sizeof *relocations; i++) rebind(object, &relocations[i]);
}

/* The loader has made most addresses of the dynamic section absolute, but not in the kernel's own object. */
static uintptr_t absolute(const struct object *object, uintptr_t address) {
  return address < object->base ? object->base + address : address;
}

static void rebind_object(struct object *object, const ElfW(Dyn) * entry) {
  uintptr_t relocations = 0, calls = 0;
  size_t relocation_bytes = 0, call_bytes = 0;
  for (; entry->d_tag != DT_NULL; entry++) {
    uintptr_t value = entry->d_un.d_val;
    switch (entry->d_tag) {
      case DT_SYMTAB: object->symbols = (const ElfW(Sym) *)absolute(object, value); break;
      case DT_STRTAB: object->names = (const char *)absolute(object, value); break;
      case DT_RELA: relocations = absolute(object, value); break;
      case DT_JMPREL: calls = absolute(object, value); break;
      case DT_RELASZ: relocation_bytes = value; break;
      case DT_PLTRELSZ: call_bytes = value; break;
      default: break;
    }
  }
  if (object->symbols == NULL || object->names == NULL) return;
  rebind_all(object, relocations, relocation_bytes);
  rebind_all(object, calls, call_bytes);
}

/* How many objects have been looked at since the last one was unloaded; owned by who is in dl_iterate_phdr, which lets
 * in one at a time. New objects come last (dl_iterate_phdr(3)). */
static size_t looked_at;
static unsigned long long unloaded;

static int look_at(struct dl_phdr_info *loaded, size_t size, void *argument) {
  size_t *index = argument;
  (void)size;
  if (*index == 0 && loaded->dlpi_subs != unloaded) {
    unloaded = loaded->dlpi_subs;
    looked_at = 0;
  }
  if ((*index)++ < looked_at) return 0;
  struct object object = {loaded->dlpi_addr, loaded->dlpi_phdr, loaded->dlpi_phnum, NULL, NULL};
  looked_at = *index;
  for (size_t i = 0; i < object.count; i++) {
    const ElfW(Phdr) *header = &object.headers[i];
    if (header->p_type == PT_DYNAMIC) rebind_object(&object, (const ElfW(Dyn) *)(object.base + header->p_vaddr));
  }
  return 0;
}

static void rebind_new_objects(void) {
  int before = errno;
  size_t index = 0;
  for (size_t i = 0; i < WRAPPED; i++) {
    if (wrapped[i].real == NULL) wrapped[i].real = dlsym(RTLD_NEXT, wrapped[i].name);
  }
  (void)dlerror(); /* a function that this C library lacks is not the program's error */
  dl_iterate_phdr(look_at, &index);
  errno = before;
}

/* The real function takes the search path and the namespace from who called it, by its return address: so what needs
 * them is passed on by a jump (the compiler makes one of a call in this place), and stays deeply bound. */
LS_EXPORT void *dlopen(const char *path, int mode) {
  bool deep = (mode & RTLD_DEEPBIND) != 0 && ls_active() && path != NULL;
  if (!deep || strchr(path, '/') == NULL || strchr(path, '$') != NULL) return ls_real.dlopen(path, mode);
  void *library = ls_real.dlopen(path, mode);
  if (library != NULL) rebind_new_objects();
  return library;
}
