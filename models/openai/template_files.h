/* The templates that come with the plugin, as models/openai/templates has them; the last has no name. */
#ifndef OPENAI_TEMPLATE_FILES_H
#define OPENAI_TEMPLATE_FILES_H

typedef struct {
  const char *name, *content;
} OpenaiTemplateFile;

extern const OpenaiTemplateFile openai_template_files[];

#endif
