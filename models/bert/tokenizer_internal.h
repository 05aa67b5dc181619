/* What a BertTokenizer holds; internal to tokenizer.c, which fills it, and encode.c, which reads it. */
#ifndef BERT_TOKENIZER_INTERNAL_H
#define BERT_TOKENIZER_INTERNAL_H

#include "models/bert/characters.h"
#include "models/bert/tokenizer.h"
#include "models/bert/trie.h"

G_BEGIN_DECLS

/* [PAD], [UNK], [CLS], [SEP], [MASK] and the extra tokens. */
#define MAX_SPECIAL_TOKENS (5 + BERT_N_EXTRA_TOKENS)

typedef enum { CLASS_DROPPED, CLASS_SPACE, CLASS_PUNCTUATION, CLASS_WORD } CharacterClass;

typedef struct {
  const char *text;
  gsize length;
  guint32 id;
} SpecialToken;

struct BertTokenizer {
  char *content; /* vocab.txt as read */
  gsize content_length;
  char *lines; /* a copy with NUL for each line end, which `tokens` points into */
  guint vocabulary_size;
  GPtrArray *tokens; /* const char *, by id; the extra tokens behind the vocabulary */
  GHashTable *ids;   /* const char * → id + 1 */
  BertTrie trie;
  gint32 continuation; /* the trie's state after "##", or -1 */
  guint32 unknown, start, end;
  SpecialToken specials[MAX_SPECIAL_TOKENS];
  guint n_specials;
  gboolean lower_case, strip_accents, set_ideographs_apart;
  BertDecomposition decomposition;
  guint8 class[128]; /* CharacterClass of ASCII */
  char lower[128];   /* ASCII, lower-cased if the model is uncased */
};

G_END_DECLS

#endif
