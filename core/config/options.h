/* From an option table and a YAML mapping to a filled struct, with all complaints at once; from an option
 * table to help texts and documentation. */
#ifndef CW_OPTIONS_H
#define CW_OPTIONS_H

#include "core/config/yaml.h"
#include <cartwright/option.h>

/* A table as the host keeps it: rows of the host's own size. */
typedef struct {
  const CwOption *rows;
  guint n_rows;
  gsize size; /* of the struct they fill */
} CwOptionTable;

/* The rows of a table, zero-extended to the host's size, with nested tables in the place of their row and
 * other defaults applied. *n of them; free with g_free. A row that cannot be placed stays as it is, and the
 * self check complains about it. */
CwOption *cw_options_flatten(const CwTable *table, guint *n);

/* Checks a table itself: names, types, offsets inside the size and not overlapping, defaults that parse and
 * lie in range, enum values, duplicates. Returns NULL or the first problem as a sentence to be freed with
 * g_free. */
char *cw_options_self_check(const CwOptionTable *table);

/* A key that exists, but in another part of the file; `home` names that part: "evaluate", "algorithm 'ppo'".
 */
typedef struct {
  const char *key, *home;
} CwKnownKey;

/* What cw_options_fill_in knows about the mapping beyond the table. */
typedef struct {
  const char *what;                /* the owner in messages: "algorithm 'ppo'" */
  CwPlace place;                   /* where missing keys are reported */
  const char *const *also_allowed; /* NULL-terminated keys that belong to somebody else, or NULL */
  const CwKnownKey *elsewhere;     /* n_elsewhere of them */
  guint n_elsewhere;
  gboolean ignore_unknown; /* somebody else reports the unknown keys of this mapping */
  gboolean
      partial; /* the mapping is only looked at: what is missing may be elsewhere, paths stay as written */
  gboolean from_here;         /* relative paths are from the working directory, wherever they were written */
  const char *const *folders; /* where relative paths are also looked for; NULL-terminated, or NULL */
} CwOptionsScope;

/* A zeroed struct filled with defaults and then with the mapping's values
 * (`mapping` may be NULL: defaults only, and nothing is missing). An unknown key
 * is reported with the places it belongs to or the nearest name. An option
 * without default may be given as null, which is its default.
 * Never fails: complaints go to `diagnostics`, the member keeps its default.
 * Free with cw_options_free. */
gpointer cw_options_fill_in(const CwOptionTable *table, const CwYamlNode *mapping,
                            const CwOptionsScope *scope, CwDiagnostics *diagnostics);
/* The same with the mapping's own place, and nothing known to be elsewhere. */
gpointer cw_options_fill(const CwOptionTable *table, const CwYamlNode *mapping,
                         const char *const *also_allowed, const char *what, CwDiagnostics *diagnostics);
/* Frees the struct with its strings and lists; accepts NULL options. */
void cw_options_free(const CwOptionTable *table, gpointer options);

/* One value as YAML text, for the resolved file. Free with g_free. */
char *cw_options_value_text(const CwOption *row, gconstpointer options);

/* A string as YAML text: as it is where that is safe, otherwise in double quotes. Free with g_free. */
char *cw_options_quote(const char *string);

/* Whether a name may be one of an option, a feature or a script: lower-case letters, digits and underscores,
 * a letter first. Accepts NULL. */
gboolean cw_is_name(const char *name);

/* The nearest of `words` to `word` (Damerau-Levenshtein, at most a third of its length, at least 1), or NULL.
 */
const char *cw_suggest(const char *word, const char *const *words);

/* The table as aligned text for a terminal, and as a Markdown table. Free with g_free. */
char *cw_options_help(const CwOptionTable *table);
char *cw_options_markdown(const CwOptionTable *table);

#endif
