/* The toy plugin, opened for a test, with a folder for its files. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "core/experiment/experiment.h"
#include "core/rollout/rollout.h"

typedef struct {
  char *folder;
  CwRegistry *registry;
  CwExperiment *experiment;
  CwEnvironment *environment;
  CwPolicy *policy;
} Fixture;

/* Fails the test when anything cannot be opened. */
void fixture_open(Fixture *fixture);
/* The same with further options of the environment, such as ", steps: 2". */
void fixture_open_with(Fixture *fixture, const char *environment_options);
void fixture_close(Fixture *fixture);

/* FOLDER/name; free with g_free. */
char *fixture_path(const Fixture *fixture, const char *name);
/* Writes a file into the folder and returns its path; free with g_free. */
char *fixture_write(const Fixture *fixture, const char *name, const char *text);

/* `text` with every occurrence of the folder's path replaced by "FOLDER"; free with g_free. */
char *fixture_anonymous(const Fixture *fixture, const char *text);

#endif
