/* A YAML document as a tree in which every node knows its file, line and column. Built from libyaml's events;
 * anchors, aliases, tags and several documents are refused; so are duplicate keys, depth over 64 and more
 * than 100,000 nodes. */
#ifndef CW_YAML_H
#define CW_YAML_H

#include "core/config/diagnostics.h"

typedef enum { CW_YAML_SCALAR, CW_YAML_SEQUENCE, CW_YAML_MAPPING } CwYamlKind;

typedef struct CwYamlNode CwYamlNode;

typedef struct {
  char *key;
  CwPlace place; /* of the key */
  CwYamlNode *value;
} CwYamlPair;

struct CwYamlNode {
  CwYamlKind kind;
  CwPlace place;
  char *scalar;    /* SCALAR: the text */
  gboolean quoted; /* SCALAR: written with quotes or as a block, hence a string */
  gboolean faulty; /* already complained about (an alias): readers take it as given and say nothing more */
  CwYamlNode
      *former;      /* SCALAR: the one in whose place a --set or a file based on another put this one; NULL */
  GPtrArray *items; /* SEQUENCE: CwYamlNode *; MAPPING: CwYamlPair *; in file order */
};

/* Parse a file or a text (`name` is what messages call it). NULL when no tree could be built; the reasons are
 * in `diagnostics`. A duplicate key, an anchor, an alias or a tag is complained about too, but leaves a tree
 * (without the second value of the key), so that one run finds all mistakes: whether the document was in
 * order, only cw_diagnostics_count tells. Free with cw_yaml_free. */
CwYamlNode *cw_yaml_parse_file(const char *path, CwDiagnostics *diagnostics);
CwYamlNode *cw_yaml_parse_text(const char *text, const char *name, CwDiagnostics *diagnostics);
void cw_yaml_free(CwYamlNode *node); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwYamlNode, cw_yaml_free)

/* The same as cw_yaml_parse_file, with the files that it is based on: a key `base` at the top names one,
 * which may name another. What the file says is put over what its base says, mapping by mapping; lists and
 * values are replaced as a whole. Every node keeps the place where it was written. The key `base` is gone
 * from the result. */
CwYamlNode *cw_yaml_load(const char *path, CwDiagnostics *diagnostics);
/* Puts `over` over `base` and takes both; the result is freed with cw_yaml_free. */
CwYamlNode *cw_yaml_merge(CwYamlNode *base, CwYamlNode *over);
/* Adds or replaces the value of a key, at the place of that key; takes the value. */
void cw_yaml_put(CwYamlNode *mapping, const char *key, CwPlace place, CwYamlNode *value);
/* Removes pair `i` of a mapping and frees it. */
void cw_yaml_remove(CwYamlNode *mapping, guint i);

/* The value of a key of a mapping, or NULL. */
const CwYamlNode *cw_yaml_get(const CwYamlNode *mapping, const char *key);
const CwYamlPair *cw_yaml_get_pair(const CwYamlNode *mapping, const char *key);

/* Applies "a.b.2.c=VALUE" (VALUE is parsed as YAML) to the tree: replaces or adds; mappings on the way are
 * made, a sequence index must exist. Changed nodes get the place "<command line>: --set #NUMBER". FALSE when
 * it was not applied. */
gboolean cw_yaml_set(CwYamlNode *root, const char *assignment, guint number, CwDiagnostics *diagnostics);
/* The same with any words that tell where the assignment stands. */
gboolean cw_yaml_set_from(CwYamlNode *root, const char *assignment, const char *where,
                          CwDiagnostics *diagnostics);

#endif
