/* From an option table and a YAML mapping to a filled struct, with all
 * complaints at once; from an option table to help texts and documentation. */
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

/* Checks a table itself: names, types, offsets inside the size and not
 * overlapping, defaults that parse and lie in range, enum values, duplicates.
 * Returns NULL or the first problem as a sentence to be freed with g_free. */
char *cw_options_self_check(const CwOptionTable *table);

/* A zeroed struct filled with defaults and then with the mapping's values
 * (`mapping` may be NULL: defaults only). Keys in `also_allowed`
 * (NULL-terminated, may be NULL) belong to somebody else and are skipped.
 * `what` names the owner in messages: "algorithm 'ppo'". `elsewhere`
 * (NULL-terminated key names, may be NULL with `elsewhere_hint`) are keys that
 * exist but not here: "'gamma' belongs under 'algorithm'". Unknown keys get a suggestion.
 * Never fails: complaints go to `diagnostics`. Free with cw_options_free. */
gpointer cw_options_fill(const CwOptionTable *table, const CwYamlNode *mapping, const char *const *also_allowed,
                         const char *what, CwDiagnostics *diagnostics);
void cw_options_free(const CwOptionTable *table, gpointer options);

/* One value as YAML text, for the resolved file. Free with g_free. */
char *cw_options_value_text(const CwOption *row, gconstpointer options);

/* The nearest of `words` to `word` (Damerau-Levenshtein, at most a third of its
 * length, at least 1), or NULL. */
const char *cw_suggest(const char *word, const char *const *words);

/* The table as aligned text for a terminal, and as a Markdown table. Free with g_free. */
char *cw_options_help(const CwOptionTable *table);
char *cw_options_markdown(const CwOptionTable *table);

#endif
