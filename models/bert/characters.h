/* Which characters BERT's tokenizer drops, treats as white space, punctuation, ideograph or accent. Internal
 * to models/bert.
 *
 * HuggingFace's fast tokenizer takes its categories from Unicode 8 and its decompositions from Unicode 12; a
 * model was trained on that, so newer characters must not change class here when ICU is updated. ICU's
 * present category is therefore asked only for characters that Unicode 8 has, and the six whose category
 * changed since are listed. */
#ifndef BERT_CHARACTERS_H
#define BERT_CHARACTERS_H

#include <glib.h>
#include <unicode/unorm2.h>
#include <unicode/uset.h>

G_BEGIN_DECLS

/* Control, format and private-use characters, and U+FFFD: deleted. */
gboolean bert_character_is_dropped(UChar32 character);
/* The Unicode property White_Space. */
gboolean bert_character_is_space(UChar32 character);
/* ASCII punctuation, $ + < = > ^ ` | ~ included, and the categories P*. */
gboolean bert_character_is_punctuation(UChar32 character);
/* CJK ideographs of the blocks that BERT sets apart with blanks. */
gboolean bert_character_is_ideograph(UChar32 character);
/* Category Mn: what is left of an accent after decomposition. */
gboolean bert_character_is_accent(UChar32 character);

/* NFD restricted to the characters of Unicode 12. Immutable once made. */
typedef struct BertDecomposition {
  UNormalizer2 *normalizer;
  USet *known; /* the filter, which the normalizer refers to */
} BertDecomposition;

gboolean bert_decomposition_init(BertDecomposition *decomposition, GError **error);
void bert_decomposition_clear(BertDecomposition *decomposition);

G_END_DECLS

#endif
