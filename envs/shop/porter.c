/* The Porter stemmer, written from the 1980 paper's rules. A word is seen as
 * [C](VC)^m[V]; the steps test the measure m of what precedes a suffix, and
 * replace the suffix in place. Nothing is allocated. */
#include "envs/shop/porter.h"

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
  return length >= 2 && word->letters[length - 1] == word->letters[length - 2] && is_consonant(word, length - 1);
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

static gboolean ends_with(Word *word, const char *suffix)
{
  gsize length = strlen(suffix);
  if (length > word->length || memcmp(word->letters + word->length - length, suffix, length) != 0)
    return FALSE;
  word->stem = word->length - length;
  return TRUE;
}

static void replace_suffix(Word *word, const char *replacement)
{
  gsize length = strlen(replacement);
  memcpy(word->letters + word->stem, replacement, length);
  word->length = word->stem + length;
}

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

typedef struct {
  const char *suffix, *replacement;
} Rule;

/* Applies the first rule whose suffix matches, if the measure before it allows. */
static void apply_rules(Word *word, const Rule *rules, gsize n_rules)
{
  for (gsize i = 0; i < n_rules; i++)
    if (ends_with(word, rules[i].suffix)) {
      if (measure(word, word->stem) > 0)
        replace_suffix(word, rules[i].replacement);
      return;
    }
}

static void step_2(Word *word)
{
  static const Rule rules[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
      {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
      {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
      {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
      {"logi", "log"},
  };
  apply_rules(word, rules, G_N_ELEMENTS(rules));
}

static void step_3(Word *word)
{
  static const Rule rules[] = {
      {"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""},
  };
  apply_rules(word, rules, G_N_ELEMENTS(rules));
}

static void step_4(Word *word)
{
  static const char *const suffixes[] = {"al",  "ance", "ence", "er",  "ic",  "able", "ible", "ant", "ement", "ment",
                                         "ent", "ion",  "ou",   "ism", "ate", "iti",  "ous",  "ive", "ize"};
  for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
    if (!ends_with(word, suffixes[i]))
      continue;
    if (g_str_equal(suffixes[i], "ion") &&
        !(word->stem > 0 && (word->letters[word->stem - 1] == 's' || word->letters[word->stem - 1] == 't')))
      continue;
    if (measure(word, word->stem) > 1)
      word->length = word->stem;
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
