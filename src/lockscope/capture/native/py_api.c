#define _GNU_SOURCE
#include "py_api.h"

#include <dlfcn.h>
#include <string.h>

struct py_api py;

/* Py_TPFLAGS_UNICODE_SUBCLASS, Include/object.h. */
#define STRING_SUBCLASS (1UL << 28)

struct symbol {
  const char *name;
  size_t offset;
};

#define FUNCTION_SYMBOL(name, result, arguments) {#name, offsetof(struct py_api, name)},
#define VALUE_SYMBOL(name) {#name, offsetof(struct py_api, name)},

static const struct symbol SYMBOLS[] = {PY_FUNCTIONS(FUNCTION_SYMBOL) PY_VALUES(VALUE_SYMBOL)};

static void *find(const char *name) { return dlsym(RTLD_DEFAULT, name); }

/* dlsym returns an object pointer where a function pointer is meant; POSIX says that they convert. */
static void set(size_t offset, void *found) { memcpy((char *)&py + offset, &found, sizeof found); }

static void load_by_version(void) {
  void *finalizing = find("Py_IsFinalizing"); /* public from 3.13 on */
  if (finalizing == NULL) finalizing = find("_Py_IsFinalizing");
  set(offsetof(struct py_api, is_finalizing), finalizing);
  set(offsetof(struct py_api, take_raised), find("PyErr_GetRaisedException"));
  set(offsetof(struct py_api, put_raised), find("PyErr_SetRaisedException"));
}

bool ls_py_present(void) { return find("PySys_AddAuditHook") != NULL; }

const char *ls_py_load(void) {
  for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++) {
    void *found = find(SYMBOLS[i].name);
    if (found == NULL) return "this Python is older than 3.11 or unlike CPython: its statements are not recorded";
    set(SYMBOLS[i].offset, found);
  }
  load_by_version();
  if (py.is_finalizing == NULL) return "this Python hides its shutdown: its statements are not recorded";
  /* Free-threaded and reference-tracing builds begin an object otherwise (Include/object.h): there the type of `type`
   * does not stand where it is read here, and every pointer behind it would be a wrong one. */
  if (py.PyType_Type->type != py.PyType_Type)
    return "this Python is a free-threaded or debugging build: its statements are not recorded";
  return NULL;
}

const char *ls_py_utf8(py_object *string, size_t *n) {
  if (string == NULL || !(py.PyType_GetFlags(string->type) & STRING_SUBCLASS)) return NULL;
  ssize_t size = 0;
  const char *bytes = py.PyUnicode_AsUTF8AndSize(string, &size);
  if (bytes == NULL) {
    py.PyErr_Clear(); /* a lone surrogate; the driver itself will say so */
    return NULL;
  }
  *n = (size_t)size;
  return bytes;
}

py_object *ls_py_imported(const char *module) {
  /* Not PyImport_GetModuleDict: that ends the process where an interpreter that is going down has lost its modules. */
  py_object *modules = py.PySys_GetObject("modules");
  return modules == NULL ? NULL : py.PyDict_GetItemString(modules, module);
}

py_object *ls_py_attribute(py_object *object, const char *name) {
  py_object *found = py.PyObject_GetAttrString(object, name);
  if (found == NULL) py.PyErr_Clear();
  return found;
}
