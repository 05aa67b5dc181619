/* Option tables. Every option of the core and of a plugin is one row of a table. The parser, the default, the
 * range check, `cartwright plugins NAME` and the documentation follow from the row; no key of a YAML file is
 * parsed by hand. */
#ifndef CARTWRIGHT_OPTION_H
#define CARTWRIGHT_OPTION_H

#include <glib.h>
#include <stddef.h>

G_BEGIN_DECLS

/* The type decides the C type of the member at `offset`. */
typedef enum {
  CW_OPTION_BOOLEAN = 1, /* gboolean; YAML true or false only */
  CW_OPTION_INTEGER,     /* gint64; decimal digits with an optional sign */
  CW_OPTION_NUMBER,      /* double; also accepts integers and 1e-4 */
  CW_OPTION_STRING,      /* char *, NULL when absent and without default */
  CW_OPTION_PATH,        /* char *, relative to the current directory */
  CW_OPTION_ENUM,        /* gint: the index in `values` */
  CW_OPTION_STRING_LIST, /* char **, NULL-terminated; a YAML list, or one scalar */
  CW_OPTION_TABLE,       /* the struct that `table` describes: its rows stand in the place of this one */
  CW_OPTION_DEFAULT      /* no member: another default for the row of that name, which stands further up */
} CwOptionType;

#define CW_OPTION_REQUIRED    (1u << 0) /* absence is an error; default_value must be NULL */
#define CW_OPTION_RESUME_SAFE (1u << 1) /* may differ between a run and its --resume */
#define CW_OPTION_LATER       (1u << 2) /* runs were made before it: its default is what they had */

typedef struct CwTable CwTable;

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
  const CwTable *table;      /* TABLE: the nested table; NULL otherwise */
} CwOption;

/* Rows and the struct that they fill. The same rows describe options and what a checkpoint keeps. */
struct CwTable {
  const CwOption *rows;
  guint32 n_rows;
  guint32 row_size; /* sizeof(CwOption) when the plugin was built */
  gsize size;       /* of the struct */
};

#define CW_TABLE_OF(Struct, rows)                                                                            \
  {                                                                                                          \
    (rows), G_N_ELEMENTS(rows), sizeof(CwOption), sizeof(Struct)                                             \
  }

/* A row a line; the key is the member's name. A member of another size than its row's type does not compile.
 *   CW_INTEGER(Options, updates, 100, 1, 1e9, "optimiser steps to take") */
#define CW_OFFSET(Struct, member, type)                                                                      \
  ((guint32)(offsetof(Struct, member) +                                                                      \
             0 * sizeof(char[sizeof(((Struct *)0)->member) == sizeof(type) ? 1 : -1])))
#define CW_ROW(Struct, member, type, kind, flags, text, minimum, maximum, values, unit, help)                \
  {                                                                                                          \
#member, kind, CW_OFFSET(Struct, member, type), flags, text, minimum, maximum, values, unit, help, NULL  \
  }
#define CW_BOOLEAN(Struct, member, otherwise, help)                                                          \
  CW_ROW(Struct, member, gboolean, CW_OPTION_BOOLEAN, 0, #otherwise, 0, 0, NULL, NULL, help)
#define CW_INTEGER(Struct, member, otherwise, minimum, maximum, help)                                        \
  CW_ROW(Struct, member, gint64, CW_OPTION_INTEGER, 0, #otherwise, minimum, maximum, NULL, NULL, help)
/* With a unit: "tokens", "seconds". */
#define CW_COUNT(Struct, member, otherwise, minimum, maximum, unit, help)                                    \
  CW_ROW(Struct, member, gint64, CW_OPTION_INTEGER, 0, #otherwise, minimum, maximum, NULL, unit, help)
#define CW_NUMBER(Struct, member, otherwise, minimum, maximum, help)                                         \
  CW_ROW(Struct, member, double, CW_OPTION_NUMBER, 0, #otherwise, minimum, maximum, NULL, NULL, help)
#define CW_ENUM(Struct, member, otherwise, values, help)                                                     \
  CW_ROW(Struct, member, gint, CW_OPTION_ENUM, 0, otherwise, 0, 0, values, NULL, help)
#define CW_STRING(Struct, member, otherwise, help)                                                           \
  CW_ROW(Struct, member, char *, CW_OPTION_STRING, 0, otherwise, 0, 0, NULL, NULL, help)
#define CW_PATH(Struct, member, otherwise, help)                                                             \
  CW_ROW(Struct, member, char *, CW_OPTION_PATH, 0, otherwise, 0, 0, NULL, NULL, help)
#define CW_STRING_LIST(Struct, member, otherwise, help)                                                      \
  CW_ROW(Struct, member, char **, CW_OPTION_STRING_LIST, 0, otherwise, 0, 0, NULL, NULL, help)
/* A struct in the struct, with a table of its own. */
#define CW_TABLE(Struct, member, nested)                                                                     \
  {                                                                                                          \
#member, CW_OPTION_TABLE, (guint32)offsetof(Struct, member), 0, NULL, 0, 0, NULL, NULL, "", &(nested)    \
  }
/* Another default for a key of a nested table. */
#define CW_DEFAULT(key, otherwise)                                                                           \
  {                                                                                                          \
    key, CW_OPTION_DEFAULT, 0, 0, otherwise, 0, 0, NULL, NULL, "", NULL                                      \
  }

/* Rows of what a checkpoint keeps: gint64, double, gboolean and char * members. A row with a default may be
 * missing in a checkpoint that is older than the row. */
#define CW_KEEP_INTEGER(Struct, member)                                                                      \
  CW_ROW(Struct, member, gint64, CW_OPTION_INTEGER, 0, NULL, 0, 0, NULL, NULL, "state")
#define CW_KEEP_NUMBER(Struct, member)                                                                       \
  CW_ROW(Struct, member, double, CW_OPTION_NUMBER, 0, NULL, 0, 0, NULL, NULL, "state")
#define CW_KEEP_FLAG(Struct, member)                                                                         \
  CW_ROW(Struct, member, gboolean, CW_OPTION_BOOLEAN, 0, NULL, 0, 0, NULL, NULL, "state")
#define CW_KEEP_TEXT(Struct, member)                                                                         \
  CW_ROW(Struct, member, char *, CW_OPTION_STRING, 0, NULL, 0, 0, NULL, NULL, "state")
#define CW_KEEP_TEXT_SINCE(Struct, member, otherwise)                                                        \
  CW_ROW(Struct, member, char *, CW_OPTION_STRING, 0, otherwise, 0, 0, NULL, NULL, "state")
#define CW_KEEP_INTEGER_SINCE(Struct, member, otherwise)                                                     \
  CW_ROW(Struct, member, gint64, CW_OPTION_INTEGER, 0, #otherwise, 0, 0, NULL, NULL, "state")

G_END_DECLS

#endif
