#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "py_driver.h"

struct ls_py_module ls_py_modules[LS_PY_MODULES];

static const struct ls_py_method METHODS[] = {
    {NULL, "connect", LOCKSCOPE_CONNECT, LS_PY_RESULT, "connect()"},
    {"Connection", "execute", LOCKSCOPE_EXECUTE, LS_PY_DIRECT, NULL},
    {"Connection", "executemany", LOCKSCOPE_EXECUTEMANY, LS_PY_DIRECT, NULL},
    {"Connection", "executescript", LOCKSCOPE_EXECUTESCRIPT, LS_PY_DIRECT, NULL},
    {"Connection", "commit", LOCKSCOPE_COMMIT, LS_PY_FIXED, "COMMIT"},
    {"Connection", "rollback", LOCKSCOPE_ROLLBACK, LS_PY_FIXED, "ROLLBACK"},
    {"Connection", "close", LOCKSCOPE_CLOSE_CONNECTION, LS_PY_FIXED, "close()"},
    {"Connection", "__exit__", LOCKSCOPE_COMMIT, LS_PY_EXIT, NULL},
    {"Connection", "backup", LOCKSCOPE_BACKUP, LS_PY_FIXED, "backup()"},
    {"Connection", "serialize", LOCKSCOPE_OTHER, LS_PY_FIXED, "serialize()"},
    {"Connection", "deserialize", LOCKSCOPE_OTHER, LS_PY_FIXED, "deserialize()"},
    {"Connection", "blobopen", LOCKSCOPE_OTHER, LS_PY_FIXED, "blobopen()"},
    {"Connection", "open_blob", LOCKSCOPE_OTHER, LS_PY_FIXED, "blobopen()"}, /* pysqlite3's name for it */
    {"Cursor", "execute", LOCKSCOPE_EXECUTE, LS_PY_SQL, NULL},
    {"Cursor", "executemany", LOCKSCOPE_EXECUTEMANY, LS_PY_SQL, NULL},
    {"Cursor", "executescript", LOCKSCOPE_EXECUTESCRIPT, LS_PY_SQL, NULL},
    {"Cursor", "fetchone", LOCKSCOPE_FETCH, LS_PY_CURSOR, NULL},
    {"Cursor", "fetchmany", LOCKSCOPE_FETCH, LS_PY_CURSOR, NULL},
    {"Cursor", "fetchall", LOCKSCOPE_FETCH, LS_PY_CURSOR, NULL},
    {"Cursor", "close", LOCKSCOPE_OTHER, LS_PY_CURSOR, NULL},
    {"Blob", "read", LOCKSCOPE_OTHER, LS_PY_FOREIGN, "blob.read()"},
    {"Blob", "write", LOCKSCOPE_OTHER, LS_PY_FOREIGN, "blob.write()"},
    {"Blob", "close", LOCKSCOPE_OTHER, LS_PY_FOREIGN, "blob.close()"},
    {"Blob", "__exit__", LOCKSCOPE_OTHER, LS_PY_FOREIGN, "blob.close()"},
};

_Static_assert(sizeof METHODS / sizeof *METHODS == LS_PY_METHODS, "a slot for each method");

static const struct ls_py_method NEXT = {"Cursor", "__next__", LOCKSCOPE_FETCH, LS_PY_CURSOR, NULL};

/* Where PyTypeObject has tp_iternext, in pointers: Include/cpython/object.h, unchanged from 3.8 to 3.14. */
#define ITERNEXT_AT 28
/* T_OBJECT and T_OBJECT_EX, Include/descrobject.h. */
#define MEMBER_OBJECT 6
#define MEMBER_OBJECT_EX 16
/* Cursors of all versions are smaller, in bytes. */
#define CURSOR_BYTES 512

static void refuse(const char *module, const char *owner, const char *name, const char *why) {
  char sentence[512];
  snprintf(sentence, sizeof sentence, "%s of %s%s%s is not recorded: %s", name, module, owner ? "." : "",
           owner ? owner : "", why);
  ls_py_note(sentence);
}

/* One line of /proc/self/maps; the last one asked for is kept, because all methods of a module stand in one page. */
struct mapping {
  unsigned long from, to;
  int protection;
};

static bool covers(const struct mapping *mapping, const void *address) {
  return (uintptr_t)address >= mapping->from && (uintptr_t)address < mapping->to;
}

static bool find_mapping(struct mapping *mapping, const void *address) {
  char mode[5], line[512];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return false;
  while (!found && fgets(line, sizeof line, maps) != NULL)
    found = sscanf(line, "%lx-%lx %4s", &mapping->from, &mapping->to, mode) == 3 && covers(mapping, address);
  fclose(maps);
  mapping->protection = PROT_READ | (mode[1] == 'w' ? PROT_WRITE : 0) | (mode[2] == 'x' ? PROT_EXEC : 0);
  return found;
}

static void store(void **where, void *value) { __atomic_store_n(where, value, __ATOMIC_RELEASE); }

/* Store a pointer even where its page is read-only, and leave the page as it was. A static PyMethodDef that was
 * declared const lies in such a page, and writing there is a SIGSEGV. */
static bool store_anywhere(void **where, void *value) {
  static struct mapping mapping;
  if (!covers(&mapping, where) && !find_mapping(&mapping, where)) return false;
  if (mapping.protection & PROT_WRITE) {
    store(where, value);
    return true;
  }
  uintptr_t page = (uintptr_t)where & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
  size_t bytes = (uintptr_t)(where + 1) - page;
  if (mprotect((void *)page, bytes, mapping.protection | PROT_WRITE) != 0) return false;
  store(where, value);
  mprotect((void *)page, bytes, mapping.protection);
  return true;
}

/* Another interpreter that imports the same module shares its PyMethodDefs: they are led through us already. */
static bool is_ours(const struct py_method_def *definition) {
  for (size_t i = 0; i < LS_PY_MODULES * LS_PY_METHODS; i++)
    if (ls_py_slots[i].definition == definition) return true;
  return false;
}

/* The PyMethodDef behind a method or a function, proved to be what it is taken for; NULL where it is not. */
static struct py_method_def *definition_of(py_object *callable, const struct ls_py_method *method) {
  struct py_method_def *definition = NULL;
  if (method->owner == NULL && callable->type == py.PyCFunction_Type)
    definition = ((struct py_function *)callable)->method;
  if (method->owner != NULL && callable->type == py.PyMethodDescr_Type)
    definition = ((struct py_method_descriptor *)callable)->method;
  if (definition == NULL || definition->name == NULL || definition->function == NULL) return NULL;
  return strcmp(definition->name, method->name) == 0 ? definition : NULL;
}

static void lead_through(struct ls_py_module *module, size_t at, py_object *callable) {
  const struct ls_py_method *method = &METHODS[at];
  struct py_method_def *definition = definition_of(callable, method);
  if (definition == NULL) {
    refuse(module->name, method->owner, method->name, "it is no C method");
    return;
  }
  if (is_ours(definition)) return;
  size_t number = (size_t)(module - ls_py_modules) * LS_PY_METHODS + at;
  int flags = definition->flags & ~PY_COEXIST;
  void *trampoline = ls_py_trampoline(number, flags);
  if (trampoline == NULL) {
    refuse(module->name, method->owner, method->name, "it is called in an unknown way");
    return;
  }
  ls_py_slots[number] = (struct ls_py_slot){method, module, definition, definition->function, flags};
  if (store_anywhere(&definition->function, trampoline)) return;
  ls_py_slots[number] = (struct ls_py_slot){0};
  refuse(module->name, method->owner, method->name, "its page cannot be written");
}

static void install_methods(struct ls_py_module *module, py_object *imported) {
  for (size_t at = 0; at < LS_PY_METHODS; at++) {
    const char *owner_name = METHODS[at].owner;
    py_object *owner = owner_name == NULL ? NULL : ls_py_attribute(imported, owner_name);
    if (owner_name != NULL && owner == NULL) continue;
    py_object *callable = ls_py_attribute(owner == NULL ? imported : owner, METHODS[at].name);
    if (callable != NULL) {
      lead_through(module, at, callable);
      py.Py_DecRef(callable);
    }
    if (owner != NULL) py.Py_DecRef(owner);
  }
}

/* Replace tp_iternext of a type, and of the types that inherited it before we came. */
static void replace_next(py_object *type, void *original, void *ours) {
  void **slot = (void **)type + ITERNEXT_AT;
  if (*slot != original) return;
  store(slot, ours);
  /* type.__subclasses__(cls), because a metaclass can have a method of that name which is the program's own. */
  py_object *children = py.PyObject_CallMethod(py.PyType_Type, "__subclasses__", "O", type);
  if (children == NULL) {
    py.PyErr_Clear();
    return;
  }
  for (ssize_t i = 0; i < py.PyList_Size(children); i++) replace_next(py.PyList_GetItem(children, i), original, ours);
  py.Py_DecRef(children);
}

/* `for row in cursor` goes by the type's slot, and an overriding subclass's super().__next__() by the wrapper. */
static void install_next(struct ls_py_module *module, py_object *cursor) {
  void *ours = ls_py_next((size_t)(module - ls_py_modules));
  py_object *found = ls_py_attribute(cursor, NEXT.name);
  if (found == NULL) return;
  struct py_wrapper_descriptor *wrapper = (struct py_wrapper_descriptor *)found;
  void **slot = (void **)cursor + ITERNEXT_AT;
  if (found->type != py.PyWrapperDescr_Type || wrapper->wrapped != *slot) {
    refuse(module->name, NEXT.owner, NEXT.name, "it is no C slot");
  } else if (*slot != ours) {
    void *original = *slot;
    module->next = (struct ls_py_slot){&NEXT, module, NULL, original, LS_PY_ITERNEXT};
    replace_next(cursor, original, ours);
    store(&wrapper->wrapped, ours);
  }
  py.Py_DecRef(found);
}

/* Where a cursor keeps its connection, read from the attribute of that name; 0 where that is no plain member. */
static ssize_t connection_at(py_object *cursor) {
  py_object *found = ls_py_attribute(cursor, "connection");
  if (found == NULL) return 0;
  ssize_t at = 0;
  if (found->type == py.PyMemberDescr_Type) {
    const struct py_member_def *member = ((struct py_member_descriptor *)found)->member;
    bool object = member->type == MEMBER_OBJECT || member->type == MEMBER_OBJECT_EX;
    if (object && member->offset > 0 && member->offset < CURSOR_BYTES) at = member->offset;
  }
  py.Py_DecRef(found);
  return at;
}

static struct ls_py_module *module_named(const char *name) {
  for (size_t i = 0; i < LS_PY_MODULES; i++) {
    struct ls_py_module *module = &ls_py_modules[i];
    if (module->name[0] == '\0') strncpy(module->name, name, sizeof module->name - 1);
    if (strcmp(module->name, name) == 0) return module;
  }
  refuse(name, NULL, "SQL", "too many SQLite modules are imported");
  return NULL;
}

/* An interpreter's `Error` is kept for the main one alone: another's goes with it. */
static void keep_error(struct ls_py_module *module, py_object *error) {
  if (py.PyInterpreterState_Get() != py.PyInterpreterState_Main()) return;
  if (module->error != NULL) py.Py_DecRef(module->error);
  py.Py_IncRef(error);
  module->error = error;
}

bool ls_py_install(const char *name) {
  py_object *imported = ls_py_imported(name);
  if (imported == NULL) return false;
  py_object *cursor = ls_py_attribute(imported, "Cursor"), *error = ls_py_attribute(imported, "Error");
  bool complete = cursor != NULL && error != NULL && cursor->type == py.PyType_Type;
  struct ls_py_module *module = complete ? module_named(name) : NULL;
  if (module != NULL) {
    keep_error(module, error);
    module->connection_at = connection_at(cursor);
    install_methods(module, imported);
    install_next(module, cursor);
  }
  if (cursor != NULL) py.Py_DecRef(cursor);
  if (error != NULL) py.Py_DecRef(error);
  return complete;
}
