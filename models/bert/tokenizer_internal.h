/* What a BertTokenizer holds; internal to tokenizer.c and tokenizer_files.c, which fill it, and encode.c,
 * which reads it. */
#ifndef BERT_TOKENIZER_INTERNAL_H
#define BERT_TOKENIZER_INTERNAL_H

#include "models/bert/characters.h"
#include "models/bert/tokenizer.h"
#include "models/bert/trie.h"

G_BEGIN_DECLS

typedef enum { CLASS_DROPPED, CLASS_SPACE, CLASS_PUNCTUATION, CLASS_WORD } CharacterClass;

/* A token that is cut out of a text before words are: literally, or out of the normalised text. */
typedef struct {
  const char *text;    /* as it is listed */
  const char *pattern; /* what is looked for: text, or what normalising makes of it */
  gsize length;        /* of pattern */
  guint32 id;
  gboolean normalised;  /* looked for in the normalised text */
  gboolean single_word; /* not within a longer word */
} AddedToken;

struct BertTokenizer {
  char *source;  /* the file that the vocabulary is from, without its folder */
  char *content; /* vocab.txt as read, or as it is to be written */
  gsize content_length;
  char *lines;         /* a copy with NUL for each line end, which `tokens` points into */
  GStringChunk *texts; /* of other tokens */
  guint vocabulary_size;
  GPtrArray *tokens; /* const char *, by id; added tokens and the extra ones behind the vocabulary */
  GHashTable *ids;   /* const char * → id + 1 */
  BertTrie trie;
  gint32 continuation; /* the trie's state after "##", or -1 */
  guint32 unknown, start, end;
  const char *unknown_name, *start_name, *end_name, *pad_name, *mask_name;
  GArray *added;  /* AddedToken, longest pattern first */
  guint n_listed; /* tokens that the folder's files list: the extra ones it lacks come behind */
  gboolean plain; /* no added token needs more than being found at a '[' */
  gboolean lower_case, strip_accents, set_ideographs_apart;
  BertDecomposition decomposition;
  guint8 class[128]; /* CharacterClass of ASCII */
  char lower[128];   /* ASCII, lower-cased if the model is uncased */
};

/* tokenizer_files.c: fills vocabulary, added tokens, names and settings from the files of a folder. */
gboolean bert_tokenizer_read_files(BertTokenizer *tokenizer, const char *folder, GError **error);
/* encode.c: what normalising makes of a text, appended to `out`. */
void bert_tokenizer_normalise(const BertTokenizer *tokenizer, const char *text, gsize length, GString *out);

G_END_DECLS

#endif
