/* Names the plugin that ended the process. The handler of a crash only writes: it asks for the slot that runs
 * (core/plugin/errors.h), says so on stderr and raises the signal again, so that shells and core dumps see
 * what they would have seen. Output is written line by line, so that there is nothing left to lose. */
#include "config.h"

#include "core/cli/cli.h"
#include "core/cli/crash.h"
#include "core/plugin/errors.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
  int number;
  const char *what;
} crashes[] = {
    {SIGSEGV, "crashed with SIGSEGV: it read or wrote where nothing is, or its stack was full"},
    {SIGBUS, "crashed with SIGBUS: memory failed, or a file that it had mapped was cut short"},
    {SIGFPE, "crashed with SIGFPE: it divided a whole number by zero"},
    {SIGILL, "crashed with SIGILL: this processor does not have an instruction that it used"},
    {SIGABRT, "crashed with SIGABRT: it gave up, by abort() or by a failed assertion"},
    {SIGTRAP, "crashed with SIGTRAP: GLib gave up, for want of memory or of a thread or by a fatal error"},
};

/* Everything below `say` is safe in a signal handler. */
static void say(const char *text)
{
  ssize_t written = write(STDERR_FILENO, text, strlen(text));
  (void)written;
}

static void say_slot(const CwSlotMark *mark, const char *what)
{
  say("cartwright: error: ");
  say(mark->kind);
  say(" '");
  say(mark->name);
  say("': ");
  say(mark->slot);
  say(" ");
  say(what);
}

static void name_crash(int number)
{
  CwSlotMark mark = cw_slot_mark();
  const char *what = "crashed";
  for (guint i = 0; i < G_N_ELEMENTS(crashes); i++)
    if (crashes[i].number == number)
      what = crashes[i].what;
  if (mark.slot)
    say_slot(&mark, what);
  else {
    say("cartwright: error: ");
    say(what);
    say("; no slot of a plugin was running");
  }
  say("\n");
  raise(number); /* by default now */
}

static pid_t own_process;

/* Ends this process, with an error when a plugin wants it ended. What a plugin forks may end itself. */
static G_NORETURN void leave(int status)
{
  CwSlotMark mark = cw_slot_mark();
  if (mark.slot && getpid() == own_process) {
    say_slot(&mark, "ended the process with exit(), which a plugin never does\n");
    status = CLI_FAILED;
  }
  for (;;)
    syscall(SYS_exit_group, status);
}

/* Called by exit(). */
static void refuse_exit(void)
{
  CwSlotMark mark = cw_slot_mark();
  if (!mark.slot || getpid() != own_process)
    return;
  fflush(NULL);
  leave(CLI_FAILED);
}

/* In the place of the C library's, for every plugin: these ask nobody. */
G_MODULE_EXPORT void _exit(int status)
{
  leave(status);
}

G_MODULE_EXPORT void _Exit(int status)
{
  leave(status);
}

/* A sanitizer has a report of its own about a crash. */
static gboolean has_sanitizer(void)
{
#ifdef __SANITIZE_ADDRESS__
  return TRUE;
#else
  return FALSE;
#endif
}

void cli_watch_plugins(void)
{
  static char stack[1 << 16]; /* for the handler, when the process has none left */
  const stack_t own_stack = {.ss_sp = stack, .ss_size = sizeof stack};
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  own_process = getpid();
  atexit(refuse_exit);
  at_quick_exit(refuse_exit);
  if (has_sanitizer() || sigaltstack(&own_stack, NULL) != 0)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(crashes); i++) {
    struct sigaction action = {.sa_handler = name_crash, .sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(crashes[i].number, &action, NULL);
  }
}
