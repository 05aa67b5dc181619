/* What the files that make up the YAML tree share; nobody else includes it. */
#ifndef CW_YAML_PRIVATE_H
#define CW_YAML_PRIVATE_H

#include "core/config/yaml.h"

enum { CW_YAML_DEEPEST = 64 };

CwYamlNode *cw_yaml_node_new(CwYamlKind kind, CwPlace place);
void cw_yaml_pair_free(gpointer pair);
/* As cw_yaml_parse_text, for a text whose lines and columns mean nothing to the user. */
CwYamlNode *cw_yaml_parse_unmarked(const char *text, const char *name, CwDiagnostics *diagnostics);

#endif
