/* The part of CPython's C interface that the hook uses, found at run time: the library links against no libpython and
 * is built without its headers. Layouts are those of CPython 3.11 to 3.14, Include/object.h, Include/methodobject.h,
 * Include/cpython/descrobject.h; `ls_py_load` proves the object header before anything relies on it. */
#ifndef LOCKSCOPE_PY_API_H
#define LOCKSCOPE_PY_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct py_object {
  intptr_t references;
  struct py_object *type;
} py_object;

/* PyMethodDef */
struct py_method_def {
  const char *name;
  void *function;
  int flags;
  const char *doc;
};

/* The METH_ flags of PyMethodDef.flags that say how a function is called. */
enum py_flags {
  PY_VARARGS = 0x1,
  PY_KEYWORDS = 0x2,
  PY_NOARGS = 0x4,
  PY_O = 0x8,
  PY_COEXIST = 0x40,
  PY_FASTCALL = 0x80,
  PY_METHOD = 0x200
};

/* PyDescrObject and those that begin with it. */
struct py_descriptor {
  py_object head;
  py_object *type;
  py_object *name;
  py_object *qualified_name;
};

struct py_method_descriptor {
  struct py_descriptor common;
  struct py_method_def *method;
};

struct py_member_def {
  const char *name;
  int type;
  ssize_t offset;
};

struct py_member_descriptor {
  struct py_descriptor common;
  struct py_member_def *member;
};

struct py_wrapper_descriptor {
  struct py_descriptor common;
  void *base;
  void *wrapped;
};

/* PyCFunctionObject */
struct py_function {
  py_object head;
  struct py_method_def *method;
};

typedef int (*py_audit_hook)(const char *event, py_object *arguments, void *own);

/* name in CPython, result, arguments; all of them must be there. */
#define PY_FUNCTIONS(X)                                                                                                \
  X(PySys_AddAuditHook, int, (py_audit_hook, void *))                                                                  \
  X(PySys_GetObject, py_object *, (const char *))                                                                      \
  X(Py_AddPendingCall, int, (int (*)(void *), void *))                                                                 \
  X(Py_IncRef, void, (py_object *))                                                                                    \
  X(Py_DecRef, void, (py_object *))                                                                                    \
  X(PyDict_GetItemString, py_object *, (py_object *, const char *))                                                    \
  X(PyErr_Clear, void, (void))                                                                                         \
  X(PyErr_Fetch, void, (py_object **, py_object **, py_object **))                                                     \
  X(PyErr_GivenExceptionMatches, int, (py_object *, py_object *))                                                      \
  X(PyErr_Occurred, py_object *, (void))                                                                               \
  X(PyErr_Restore, void, (py_object *, py_object *, py_object *))                                                      \
  X(PyEval_GetFrame, py_object *, (void))                                                                              \
  X(PyFrame_GetBack, py_object *, (py_object *))                                                                       \
  X(PyFrame_GetCode, py_object *, (py_object *))                                                                       \
  X(PyFrame_GetLasti, int, (py_object *))                                                                              \
  X(PyFrame_GetLineNumber, int, (py_object *))                                                                         \
  X(PyGILState_GetThisThreadState, void *, (void))                                                                     \
  X(PyInterpreterState_Get, void *, (void))                                                                            \
  X(PyInterpreterState_Main, void *, (void))                                                                           \
  X(PyList_GetItem, py_object *, (py_object *, ssize_t))                                                               \
  X(PyList_Size, ssize_t, (py_object *))                                                                               \
  X(PyLong_AsLong, long, (py_object *))                                                                                \
  X(PyObject_CallMethod, py_object *, (py_object *, const char *, const char *, ...))                                  \
  X(PyObject_GenericGetDict, py_object *, (py_object *, void *))                                                       \
  X(PyObject_GetAttrString, py_object *, (py_object *, const char *))                                                  \
  X(PyTuple_GetItem, py_object *, (py_object *, ssize_t))                                                              \
  X(PyTuple_Size, ssize_t, (py_object *))                                                                              \
  X(PyType_GetFlags, unsigned long, (py_object *))                                                                     \
  X(PyUnicode_AsUTF8AndSize, const char *, (py_object *, ssize_t *))                                                   \
  X(PyUnicode_FromString, py_object *, (const char *))

#define PY_VALUES(X)                                                                                                   \
  X(PyBytes_Type)                                                                                                      \
  X(PyCFunction_Type)                                                                                                  \
  X(PyCode_Type)                                                                                                       \
  X(PyLong_Type)                                                                                                       \
  X(PyMemberDescr_Type)                                                                                                \
  X(PyMethodDescr_Type)                                                                                                \
  X(PyTuple_Type)                                                                                                      \
  X(PyType_Type)                                                                                                       \
  X(PyUnicode_Type)                                                                                                    \
  X(PyWrapperDescr_Type)                                                                                               \
  X(_Py_NoneStruct)

#define PY_DECLARE_FUNCTION(name, result, arguments) result(*name) arguments;
#define PY_DECLARE_VALUE(name) py_object *name;

struct py_api {
  PY_FUNCTIONS(PY_DECLARE_FUNCTION)
  PY_VALUES(PY_DECLARE_VALUE)
  int (*is_finalizing)(void);
  py_object *(*take_raised)(void); /* PyErr_GetRaisedException, from 3.12 on; else NULL */
  void (*put_raised)(py_object *); /* PyErr_SetRaisedException, likewise */
};

extern struct py_api py;

/* Whether the program is a Python one: its interpreter is the program or one of the libraries it was linked with. */
bool ls_py_present(void);

/* Find all of it. Returns NULL, or one sentence that says why this interpreter is left alone. */
const char *ls_py_load(void);

/* The UTF-8 of a string, or NULL with no error set; valid as long as the string is. */
const char *ls_py_utf8(py_object *string, size_t *n);

/* A module as this interpreter has it, borrowed; NULL where it is not imported. */
py_object *ls_py_imported(const char *module);

/* An attribute, a new reference, or NULL with no error set. */
py_object *ls_py_attribute(py_object *object, const char *name);

#endif
