/* Option tables. Every option of the core and of a plugin is one row of a table. The parser, the default, the
 * range check, `cartwright plugins NAME` and the documentation follow from the row; no key of a YAML file is
 * parsed by hand. */
#ifndef CARTWRIGHT_OPTION_H
#define CARTWRIGHT_OPTION_H

#include <glib.h>

G_BEGIN_DECLS

/* The type decides the C type of the member at `offset`. */
typedef enum {
  CW_OPTION_BOOLEAN = 1, /* gboolean; YAML true or false only */
  CW_OPTION_INTEGER,     /* gint64; decimal digits with an optional sign */
  CW_OPTION_NUMBER,      /* double; also accepts integers and 1e-4 */
  CW_OPTION_STRING,      /* char *, NULL when absent and without default */
  CW_OPTION_PATH,        /* char *, relative to the current directory */
  CW_OPTION_ENUM,        /* gint: the index in `values` */
  CW_OPTION_STRING_LIST  /* char **, NULL-terminated; a YAML list, or one scalar */
} CwOptionType;

#define CW_OPTION_REQUIRED    (1u << 0) /* absence is an error; default_value must be NULL */
#define CW_OPTION_RESUME_SAFE (1u << 1) /* may differ between a run and its --resume */

/* One row. Rows are a static table inside the plugin; the host reads `option_size` bytes of each (CwFeature),
 * so the struct may grow at its end. The host allocates the options struct zeroed, fills and owns it, and
 * frees it after the object that was opened with it. */
typedef struct CwOption {
  const char *name;          /* the YAML key: lower case, words joined by _ */
  CwOptionType type;         /* see above */
  guint32 offset;            /* offsetof(YourOptions, member) */
  guint32 flags;             /* CW_OPTION_REQUIRED, CW_OPTION_RESUME_SAFE */
  const char *default_value; /* as it would be written in YAML, without quotes (a list: comma separated);
                                NULL: zero */
  double minimum, maximum;   /* INTEGER and NUMBER, inclusive; both 0 means unbounded */
  const char *const *values; /* ENUM: NULL-terminated names; STRING_LIST: what items may be, NULL: anything */
  const char *unit;          /* "tokens", "seconds"; NULL when there is none */
  const char *help;          /* one sentence, no full stop needed */
} CwOption;

G_END_DECLS

#endif
