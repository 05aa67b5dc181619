/* WordPiece as HuggingFace's BertTokenizer does it: special tokens are cut out of the text literally, the
 * rest is cleaned (control characters dropped, every kind of white space a blank), CJK ideographs are set
 * apart, accents stripped and letters lower-cased if the model is uncased, punctuation split off, and each
 * word cut into the longest pieces the vocabulary has, from the left; words of more than 100 characters, and
 * words that cannot be cut, are [UNK].
 *
 * Where HuggingFace's two implementations differ (docs/reference/bert.md), this follows the fast one, which
 * AutoTokenizer returns and WebShop used. */
#ifndef BERT_TOKENIZER_H
#define BERT_TOKENIZER_H

#include <glib.h>

G_BEGIN_DECLS

/* Immutable once opened: any number of threads may encode with one tokenizer. */
typedef struct BertTokenizer BertTokenizer;

/* Which end of a text that is too long is cut away. */
typedef enum {
  BERT_TRUNCATE_LEFT, /* keep the end (WebShop; spec §7.3) */
  BERT_TRUNCATE_RIGHT /* keep the beginning */
} BertTruncation;

/* Number of extra special tokens: [button], [button_], [clicked button], [clicked button_] (spec §7.3). */
#define BERT_N_EXTRA_TOKENS 4

/* Reads the files of a folder that transformers saved, of 2020 or today: vocab.txt or tokenizer.json
 * (WordPiece) for the vocabulary; tokenizer_config.json for the settings (do_lower_case, strip_accents,
 * tokenize_chinese_chars; default: lower-case, strip accents when lower-casing, set ideographs apart) and the
 * names of special tokens; tokenizer.json's normaliser where the tokenizer's class is the one without
 * settings of its own; added tokens with their ids from tokenizer.json, tokenizer_config.json and
 * added_tokens.json. Files that say different things of an id or a token are an error that names both. An
 * extra token that they all lack gets the next id, in the order above. A vocabulary that is missing, empty,
 * not UTF-8, has an empty or repeated line, or lacks [PAD], [UNK], [CLS] or [SEP] is an error in
 * CW_POLICY_ERROR that names file and line. */
BertTokenizer *bert_tokenizer_open(const char *folder, GError **error);
void bert_tokenizer_free(BertTokenizer *tokenizer); /* accepts NULL */

/* Writes vocab.txt and tokenizer_config.json into an existing folder, so that bert_tokenizer_open gives the
 * same tokenizer again. vocab.txt comes out byte by byte as it was read; extra tokens that no file listed are
 * not written. */
gboolean bert_tokenizer_write(const BertTokenizer *tokenizer, const char *folder, GError **error);

/* Number of ids in use, extra tokens included: every id of encode is below it. */
guint bert_tokenizer_n_tokens(const BertTokenizer *tokenizer);
/* Number of tokens of the vocabulary, without added ones, and the file it is from ("vocab.txt"). */
guint bert_tokenizer_vocabulary_size(const BertTokenizer *tokenizer);
const char *bert_tokenizer_source(const BertTokenizer *tokenizer);
/* Whether it is one of the four extra tokens. */
gboolean bert_tokenizer_is_extra(const char *token);
/* The token of an id (UTF-8, owned by the tokenizer); NULL for an id out of range. */
const char *bert_tokenizer_token(const BertTokenizer *tokenizer, guint32 id);
/* The id of a token; FALSE if there is none. */
gboolean bert_tokenizer_id(const BertTokenizer *tokenizer, const char *token, guint32 *id);

/* Appends CLS, the ids of `text`, SEP to `ids` (elements guint32), at most max_tokens (>= 2) of them in all:
 * a longer text loses tokens on `side`. Returns how many were appended. Never fails: bytes that are not UTF-8
 * count as U+FFFD, which BERT drops. */
guint bert_tokenizer_encode(const BertTokenizer *tokenizer, const char *text, guint max_tokens,
                            BertTruncation side, GArray *ids);

/* Spec §7.3, state and action text: lower-case (as Python's str.lower does it), delete " and ', trim white
 * space at both ends, then [sep] becomes [SEP]. Replaces the content of `out`. Text that is not UTF-8 has its
 * bad bytes replaced by U+FFFD. */
void bert_normalise_text(const char *text, GString *out);

G_END_DECLS

#endif
