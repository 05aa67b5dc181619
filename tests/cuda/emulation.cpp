/* Shared by the tests of the emulation. */
#include "emulation.h"
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <glib.h>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
extern "C" {
#include <cmocka.h>
}

std::vector<float> counting(size_t n)
{
  std::vector<float> values(n);
  for (size_t i = 0; i < n; i++)
    values[i] = static_cast<float>(i);
  return values;
}

[[noreturn]] static void run_child(void (*run)(), int out)
{
  rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(out, STDERR_FILENO);
  run();
  cudaDeviceSynchronize();
  fputs("nothing was reported\n", stderr);
  _exit(0);
}

void assert_reports(void (*run)(), const char *pattern)
{
  int ends[2], status;
  char buffer[4096];
  std::string said, wanted = std::string("cuda emulation: ") + pattern;
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0)
    run_child(run, ends[1]);
  close(ends[1]);
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  said.resize(std::min(said.find('\n'), said.size()));
  if (!g_pattern_match_simple(wanted.c_str(), said.c_str()))
    fail_msg("expected: %s\nreported: %s", wanted.c_str(), said.c_str());
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
