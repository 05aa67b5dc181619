/* The server of tests/openai/server.py, and policies that ask it. */
#ifndef OPENAI_FIXTURE_H
#define OPENAI_FIXTURE_H

#include "core/plugin/handles.h"

typedef struct {
  GPid server;
  int input; /* of the server: it ends when this is closed */
  guint port;
  char *folder; /* for caches; removed at the end */
  CwRegistry *registry;
  GPtrArray *options; /* of the policies that were opened; they live as long as the fixture */
} Fixture;

/* FALSE without python3. `seconds`: how long each answer takes, as text. */
gboolean fixture_open(Fixture *fixture, const char *seconds);
void fixture_close(Fixture *fixture);

/* A policy that asks `model`; `more`: further options, such as ", retries: 1"; %s in it is the folder.
 * Without a cache, with a back-off of 10 ms, unless `more` says otherwise. */
CwPolicy *fixture_policy(const Fixture *fixture, const char *model, const char *more, GError **error);
double fixture_counter(CwPolicy *policy, const char *name);

/* Decisions of the toy game: goal i hints at a letter; n_history steps came before, in which "take a" was
 * answered with `answer`. Free with fixture_free_decisions. */
CwDecision **fixture_decisions(guint n, guint n_history, const char *answer);
void fixture_free_decisions(CwDecision **decisions, guint n);

/* Acts with streams of its own, which begin at `luck`. */
gboolean fixture_act(CwPolicy *policy, CwDecision **decisions, guint n, gboolean greedy, guint64 luck,
                     CwAct *acts, GError **error);

#endif
