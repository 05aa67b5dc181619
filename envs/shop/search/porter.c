/* The Porter stemmer, written from the 1980 paper's rules. A word is seen as [C](VC)^m[V]; the steps test the
 * measure m of what precedes a suffix, and replace the suffix in place. Nothing is allocated. */
#include "envs/shop/search/porter.h"

#include <string.h>

typedef struct {
  char *letters;
  gsize length; /* of the whole word */
  gsize stem;   /* of what precedes the suffix that ends_with found */
} Word;

static gboolean is_consonant(const Word *word, gsize index)
{
  switch (word->letters[index]) {
  case 'a':
  case 'e':
  case 'i':
  case 'o':
  case 'u':
    return FALSE;
  case 'y':
    return index == 0 || !is_consonant(word, index - 1);
  default:
    return TRUE;
  }
}

/* The number of vowel-consonant sequences in the first `length` letters. */
static guint measure(const Word *word, gsize length)
{
  guint count = 0;
  gboolean after_vowel = FALSE;
  for (gsize i = 0; i < length; i++) {
    gboolean consonant = word->letters[i] == 'y' ? i == 0 || after_vowel : is_consonant(word, i);
    count += consonant && after_vowel;
    after_vowel = !consonant;
  }
  return count;
}

static gboolean has_vowel(const Word *word, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!is_consonant(word, i))
      return TRUE;
  return FALSE;
}

static gboolean ends_in_double_consonant(const Word *word, gsize length)
{
  return length >= 2 && word->letters[length - 1] == word->letters[length - 2] &&
         is_consonant(word, length - 1);
}

/* The first `length` letters end consonant-vowel-consonant, and the last is not w, x or y. */
static gboolean ends_in_short_syllable(const Word *word, gsize length)
{
  if (length < 3 || !is_consonant(word, length - 1) || is_consonant(word, length - 2) ||
      !is_consonant(word, length - 3))
    return FALSE;
  char last = word->letters[length - 1];
  return last != 'w' && last != 'x' && last != 'y';
}

/* A suffix and what replaces it, with their lengths. */
typedef struct {
  const char *suffix, *replacement;
  guint8 suffix_length, replacement_length;
} Rule;
#define RULE(suffix, replacement)                                                                            \
  {                                                                                                          \
    suffix, replacement, sizeof(suffix) - 1, sizeof(replacement) - 1                                         \
  }

/* Compared from the end, where most suffixes already differ. */
static inline gboolean has_suffix(Word *word, const char *suffix, gsize length)
{
  if (length > word->length)
    return FALSE;
  const char *tail = word->letters + word->length - length;
  for (gsize i = length; i-- > 0;)
    if (tail[i] != suffix[i])
      return FALSE;
  word->stem = word->length - length;
  return TRUE;
}

static inline void replace(Word *word, const char *replacement, gsize length)
{
  memcpy(word->letters + word->stem, replacement, length);
  word->length = word->stem + length;
}

/* For literals. */
#define ends_with(word, suffix)           has_suffix(word, suffix, sizeof(suffix) - 1)
#define replace_suffix(word, replacement) replace(word, replacement, sizeof(replacement) - 1)

/* Plurals, -ed and -ing. */
static void step_1a(Word *word)
{
  if (word->letters[word->length - 1] != 's')
    return;
  if (ends_with(word, "sses"))
    word->length -= 2;
  else if (ends_with(word, "ies"))
    replace_suffix(word, "i");
  else if (word->letters[word->length - 2] != 's')
    word->length--;
}

static void step_1b(Word *word)
{
  if (ends_with(word, "eed")) {
    if (measure(word, word->stem) > 0)
      word->length--;
    return;
  }
  if (!(ends_with(word, "ed") || ends_with(word, "ing")) || !has_vowel(word, word->stem))
    return;
  word->length = word->stem;
  if (ends_with(word, "at"))
    replace_suffix(word, "ate");
  else if (ends_with(word, "bl"))
    replace_suffix(word, "ble");
  else if (ends_with(word, "iz"))
    replace_suffix(word, "ize");
  else if (ends_in_double_consonant(word, word->length)) {
    char last = word->letters[word->length - 1];
    if (last != 'l' && last != 's' && last != 'z')
      word->length--;
  } else if (measure(word, word->length) == 1 && ends_in_short_syllable(word, word->length)) {
    word->stem = word->length;
    replace_suffix(word, "e");
  }
}

static void step_1c(Word *word)
{
  if (ends_with(word, "y") && has_vowel(word, word->stem))
    word->letters[word->length - 1] = 'i';
}

/* A set of letters. */
#define LETTER(letter) (1u << ((letter) - 'a'))
static inline gboolean is_in(char letter, guint32 letters)
{
  guint index = (guint)(guchar)letter - 'a';
  return index < 26 && (letters >> index & 1);
}

/* Whether the word's last two letters are such that one of some suffixes may match; most words are not. */
static inline gboolean may_end(const Word *word, guint32 last, guint32 before_last)
{
  return word->length >= 2 && is_in(word->letters[word->length - 1], last) &&
         is_in(word->letters[word->length - 2], before_last);
}

/* Applies the first rule whose suffix matches, if the measure before it allows. */
static void apply_rules(Word *word, const Rule *rules, gsize n_rules)
{
  for (gsize i = 0; i < n_rules; i++)
    if (has_suffix(word, rules[i].suffix, rules[i].suffix_length)) {
      if (measure(word, word->stem) > 0)
        replace(word, rules[i].replacement, rules[i].replacement_length);
      return;
    }
}

static void step_2(Word *word)
{
  static const Rule rules[] = {
      RULE("ational", "ate"), RULE("tional", "tion"), RULE("enci", "ence"),   RULE("anci", "ance"),
      RULE("izer", "ize"),    RULE("bli", "ble"),     RULE("alli", "al"),     RULE("entli", "ent"),
      RULE("eli", "e"),       RULE("ousli", "ous"),   RULE("ization", "ize"), RULE("ation", "ate"),
      RULE("ator", "ate"),    RULE("alism", "al"),    RULE("iveness", "ive"), RULE("fulness", "ful"),
      RULE("ousness", "ous"), RULE("aliti", "al"),    RULE("iviti", "ive"),   RULE("biliti", "ble"),
      RULE("logi", "log"),
  };
  if (may_end(word, LETTER('i') | LETTER('l') | LETTER('m') | LETTER('n') | LETTER('r') | LETTER('s'),
              LETTER('a') | LETTER('c') | LETTER('e') | LETTER('g') | LETTER('l') | LETTER('o') |
                  LETTER('s') | LETTER('t')))
    apply_rules(word, rules, G_N_ELEMENTS(rules));
}

static void step_3(Word *word)
{
  static const Rule rules[] = {
      RULE("icate", "ic"), RULE("ative", ""), RULE("alize", "al"), RULE("iciti", "ic"),
      RULE("ical", "ic"),  RULE("ful", ""),   RULE("ness", ""),
  };
  if (may_end(word, LETTER('e') | LETTER('i') | LETTER('l') | LETTER('s'),
              LETTER('a') | LETTER('s') | LETTER('t') | LETTER('u') | LETTER('v') | LETTER('z')))
    apply_rules(word, rules, G_N_ELEMENTS(rules));
}

static void step_4(Word *word)
{
  static const Rule rules[] = {
      RULE("al", ""),   RULE("ance", ""),  RULE("ence", ""),  RULE("er", ""),    RULE("ic", ""),
      RULE("able", ""), RULE("ible", ""),  RULE("ant", ""),   RULE("ement", ""), RULE("ment", ""),
      RULE("ent", ""),  RULE("sion", "s"), RULE("tion", "t"), RULE("ou", ""),    RULE("ism", ""),
      RULE("ate", ""),  RULE("iti", ""),   RULE("ous", ""),   RULE("ive", ""),   RULE("ize", ""),
  };
  if (!may_end(word,
               LETTER('c') | LETTER('e') | LETTER('i') | LETTER('l') | LETTER('m') | LETTER('n') |
                   LETTER('r') | LETTER('s') | LETTER('t') | LETTER('u'),
               LETTER('a') | LETTER('c') | LETTER('e') | LETTER('i') | LETTER('l') | LETTER('n') |
                   LETTER('o') | LETTER('s') | LETTER('t') | LETTER('u') | LETTER('v') | LETTER('z')))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
    if (!has_suffix(word, rules[i].suffix, rules[i].suffix_length))
      continue;
    /* The s or t before "ion" belongs to the stem. */
    gsize length = word->stem + rules[i].replacement_length;
    if (measure(word, length) > 1)
      word->length = length;
    return;
  }
}

static void step_5(Word *word)
{
  if (word->letters[word->length - 1] == 'e') {
    guint m = measure(word, word->length - 1);
    if (m > 1 || (m == 1 && !ends_in_short_syllable(word, word->length - 1)))
      word->length--;
  }
  if (word->letters[word->length - 1] == 'l' && ends_in_double_consonant(word, word->length) &&
      measure(word, word->length - 1) > 1)
    word->length--;
}

gsize shop_porter_stem(char *letters, gsize length)
{
  if (length <= 2)
    return length;
  Word word = {letters, length, 0};
  step_1a(&word);
  step_1b(&word);
  step_1c(&word);
  step_2(&word);
  step_3(&word);
  step_4(&word);
  step_5(&word);
  return word.length;
}
