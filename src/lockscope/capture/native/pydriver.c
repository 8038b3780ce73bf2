#include <string.h>

#include "py_driver.h"
#include "segment.h"

/* How often the import of a SQLite module is looked after before the audit events alone have to do: a pending call
 * comes again at each check of the interpreter's main loop, and importing takes some thousands of them. */
#define TRIES 100000

static bool installed; /* at least one module is observed */
static bool over;      /* the interpreter went down; another in this process stays unobserved */
static char importing[sizeof ls_py_modules[0].name];
static int tries;
static bool busy; /* interpreters with a lock each may import at the same time */

void ls_py_note(const char *sentence) {
  uint32_t text = ls_text(sentence, strlen(sentence));
  struct lockscope_record note = {.began_ns = ls_now(), .length = text, .kind = LOCKSCOPE_NOTE};
  ls_record(&note);
}

bool ls_py_observing(void) { return installed && !over && ls_active() && !py.is_finalizing(); }

/* The module whose import is under way, if it is complete by now. */
static void look_after(void) {
  if (tries == 0 || __atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) return;
  if (tries > 0) tries--;
  if (ls_py_install(importing)) {
    installed = true;
    tries = 0;
  }
  __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
}

/* Runs between two bytecodes of the main thread, again and again until the module is there. */
static int pending(void *unused) {
  look_after();
  if (tries > 0) py.Py_AddPendingCall(pending, unused);
  return 0;
}

static void expect(const char *module, size_t n) {
  if (n >= sizeof importing || __atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) return;
  memcpy(importing, module, n);
  importing[n] = '\0';
  bool waiting = tries > 0;
  tries = TRIES;
  __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
  if (!waiting) py.Py_AddPendingCall(pending, NULL);
}

static bool is_sqlite(const char *module, size_t n) {
  static const char name[] = "._sqlite3";
  size_t dotted = sizeof name - 1;
  if (n == dotted - 1) return memcmp(module, name + 1, n) == 0;
  return n > dotted && memcmp(module + n - dotted, name, dotted) == 0;
}

static void on_import(py_object *arguments) {
  if (arguments->type != py.PyTuple_Type || py.PyTuple_Size(arguments) == 0) return;
  size_t n = 0;
  const char *module = ls_py_utf8(py.PyTuple_GetItem(arguments, 0), &n);
  if (module != NULL && is_sqlite(module, n)) expect(module, n);
}

/* Called for every audit event of the program (docs.python.org/3/library/audit_events.html), so all but a few are told
 * by their first letter. Never refuses anything. */
static int audit(const char *event, py_object *arguments, void *unused) {
  (void)unused;
  if (over || arguments == NULL) return 0;
  if (tries > 0) look_after();
  if (ls_home->watching) ls_py_learn_frames();
  if (event[0] == 'i' && strcmp(event, "import") == 0) {
    on_import(arguments);
  } else if (event[0] == 's' && !installed && strcmp(event, "sqlite3.connect") == 0) {
    expect("_sqlite3", 8);
    look_after();
  } else if (event[0] == 'c' && strcmp(event, "cpython._PySys_ClearAuditHooks") == 0) {
    over = true;
  }
  return 0;
}

void ls_python_attach(void) {
  if (!ls_py_present()) return;
  const char *trouble = ls_py_load();
  if (trouble == NULL && py.PySys_AddAuditHook(audit, NULL) != 0)
    trouble = "this Python takes no audit hook: its statements are not recorded";
  if (trouble != NULL) ls_note_later(trouble);
}
