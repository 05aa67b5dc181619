/* The answers that a server has given, on disk: asked the same again, it need not be asked. */
#ifndef OPENAI_MEMORY_H
#define OPENAI_MEMORY_H

#include <cartwright/error.h>

G_BEGIN_DECLS

typedef struct OpenaiMemory OpenaiMemory;

/* The answers in `folder`, which is made when there is none. NULL: the user's cache folder. "none": nothing
 * is kept. NULL with error. */
OpenaiMemory *openai_memory_open(const char *folder, GError **error);
void openai_memory_close(OpenaiMemory *memory); /* accepts NULL */

/* What a request is known by: the SHA-256 of address and body, in hexadecimal. Free with g_free. */
char *openai_memory_key(const char *url, const char *path, const char *body);
/* The answer, owned by `memory`; NULL: it has none. */
const char *openai_memory_find(const OpenaiMemory *memory, const char *key);
gboolean openai_memory_add(OpenaiMemory *memory, const char *key, const char *answer, GError **error);

G_END_DECLS

#endif
