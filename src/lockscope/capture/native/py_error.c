#include <string.h>

#include "mask.h"
#include "py_driver.h"

/* The classes that the driver itself raises: PEP 249, `Exceptions`. */
static const char *const CLASSES[] = {"OperationalError",  "ProgrammingError", "IntegrityError",
                                      "DatabaseError",     "InterfaceError",   "InternalError",
                                      "NotSupportedError", "DataError",        "Error"};

bool ls_py_take(struct ls_py_raised *raised) {
  *raised = (struct ls_py_raised){NULL, NULL, NULL};
  if (py.take_raised != NULL) {
    raised->value = py.take_raised();
    if (raised->value != NULL) raised->type = raised->value->type;
  } else {
    /* Not normalised: that would make an exception object earlier than the program would have. */
    py.PyErr_Fetch(&raised->type, &raised->value, &raised->traceback);
  }
  return raised->type != NULL;
}

void ls_py_put_back(const struct ls_py_raised *raised) {
  if (py.take_raised != NULL)
    py.put_raised(raised->value);
  else
    py.PyErr_Restore(raised->type, raised->value, raised->traceback);
}

/* The module's Error, a new reference. Each interpreter has its own classes. */
static py_object *error_class(const struct ls_py_module *module) {
  if (py.PyInterpreterState_Get() == py.PyInterpreterState_Main()) {
    py.Py_IncRef(module->error);
    return module->error;
  }
  py_object *object = ls_py_imported(module->name);
  return object == NULL ? NULL : ls_py_attribute(object, "Error");
}

/* Whether the driver made the exception. Of a program's own subclass no attribute may be read: that could run the
 * program's code where without us none would run. */
static bool is_driver_class(const struct ls_py_module *module, const py_object *type) {
  py_object *object = ls_py_imported(module->name);
  for (size_t i = 0; object != NULL && i < sizeof CLASSES / sizeof *CLASSES; i++) {
    py_object *class = ls_py_attribute(object, CLASSES[i]);
    if (class == NULL) continue;
    py.Py_DecRef(class);
    if (class == type) return true;
  }
  return false;
}

/* `sqlite_errorcode` (CPython from 3.11 on), read from the instance's dictionary so that no code of the program runs.
 */
static uint16_t error_code(py_object *value, bool instance) {
  py_object *attributes = instance ? py.PyObject_GenericGetDict(value, NULL) : NULL;
  if (attributes == NULL) {
    py.PyErr_Clear();
    return 0xffff;
  }
  py_object *code = py.PyDict_GetItemString(attributes, "sqlite_errorcode");
  long number = code != NULL && code->type == py.PyLong_Type ? py.PyLong_AsLong(code) : 0;
  if (number == -1) py.PyErr_Clear();
  py.Py_DecRef(attributes);
  return number > 0 && number < 0xffff ? (uint16_t)number : 0xffff;
}

static uint32_t message_text(py_object *string, uint16_t code) {
  size_t n = 0;
  const char *bytes = string->type == py.PyUnicode_Type ? ls_py_utf8(string, &n) : NULL;
  if (bytes == NULL) return 0;
  char kept[LS_MASK_ROOM];
  if (!ls_keep_literals())
    n = ls_mask_message(bytes, n, code, kept, sizeof kept);
  else
    memcpy(kept, bytes, n = n < sizeof kept ? n : sizeof kept);
  if (n == 0 || !ls_py_claim()) return 0;
  uint32_t text = ls_py_text(kept, n);
  ls_py_release();
  return text;
}

/* The message as the driver gave it: the exception's only argument. */
static uint32_t first_argument(py_object *value, uint16_t code) {
  py_object *arguments = ls_py_attribute(value, "args");
  if (arguments == NULL) return 0;
  uint32_t text = 0;
  if (arguments->type == py.PyTuple_Type && py.PyTuple_Size(arguments) > 0)
    text = message_text(py.PyTuple_GetItem(arguments, 0), code);
  py.Py_DecRef(arguments);
  return text;
}

struct ls_py_failure ls_py_failure(const struct ls_py_module *module, const struct ls_py_raised *raised) {
  struct ls_py_failure failure = {0, 0};
  py_object *error = error_class(module);
  if (error == NULL) return failure;
  if (py.PyErr_GivenExceptionMatches(raised->type, error)) {
    py_object *value = raised->value;
    bool instance = value != NULL && value->type == raised->type;
    failure.code = error_code(value, instance);
    if (instance && is_driver_class(module, value->type))
      failure.message = first_argument(value, failure.code);
    else if (value != NULL && !instance)
      failure.message = message_text(value, failure.code);
  }
  py.Py_DecRef(error);
  return failure;
}
