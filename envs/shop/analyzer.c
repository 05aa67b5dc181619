/* Turns text into search terms. The tokenizer recognises the token shapes of
 * Lucene's StandardTokenizer: UAX #29 words that contain a letter or a digit,
 * single ideographs and kana, runs of South-East Asian script, and emoji. It
 * simulates a small nondeterministic automaton over word-break classes, whose
 * set of states is a bit mask, and takes the longest match. Runs of ASCII
 * letters and digits, nearly all of real text, go through a short cut. */
#include "envs/shop/analyzer.h"

#include "envs/shop/porter.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

/* What a character means to the tokenizer. */
typedef enum {
  CLASS_OTHER,
  CLASS_LETTER,
  CLASS_HEBREW,
  CLASS_DIGIT,
  CLASS_KATAKANA,
  CLASS_EXTEND_NUM_LET,
  CLASS_MID_LETTER,
  CLASS_MID_NUM,
  CLASS_MID_NUM_LET,
  CLASS_SINGLE_QUOTE,
  CLASS_DOUBLE_QUOTE,
  CLASS_EXTEND, /* Extend, Format and ZWJ: they belong to what they follow */
  CLASS_IDEOGRAPH,
  CLASS_COMPLEX, /* scripts without spaces: Thai, Lao, Khmer, Burmese */
} CharacterClass;

/* States of the word automaton, named for what was read last. */
enum {
  STATE_START = 1 << 0,    /* nothing but connectors (underscores) so far */
  STATE_LETTER = 1 << 1,   /* accepts */
  STATE_HEBREW = 1 << 2,   /* a Hebrew letter that a quote may follow */
  STATE_DIGIT = 1 << 3,    /* accepts */
  STATE_KATAKANA = 1 << 4, /* accepts */
  STATE_CONNECTOR = 1 << 5 /* accepts: connectors after something */,
  STATE_QUOTED = 1 << 6,        /* accepts: a Hebrew letter with its quote */
  STATE_LETTER_MIDDLE = 1 << 7, /* wants a letter */
  STATE_DIGIT_MIDDLE = 1 << 8,  /* wants a digit */
  STATE_HEBREW_MIDDLE = 1 << 9, /* wants a Hebrew letter */
};
#define ENDS_UNIT (STATE_LETTER | STATE_DIGIT | STATE_QUOTED)
#define ACCEPTS   (ENDS_UNIT | STATE_KATAKANA | STATE_CONNECTOR)
#define BETWEEN   (STATE_START | STATE_CONNECTOR)

static CharacterClass classify(UChar32 character)
{
  switch ((UWordBreakValues)u_getIntPropertyValue(character, UCHAR_WORD_BREAK)) {
  case U_WB_ALETTER:
    return CLASS_LETTER;
  case U_WB_HEBREW_LETTER:
    return CLASS_HEBREW;
  case U_WB_NUMERIC:
    return CLASS_DIGIT;
  case U_WB_KATAKANA:
    return CLASS_KATAKANA;
  case U_WB_EXTENDNUMLET:
    return CLASS_EXTEND_NUM_LET;
  case U_WB_MIDLETTER:
    return CLASS_MID_LETTER;
  case U_WB_MIDNUM:
    return CLASS_MID_NUM;
  case U_WB_MIDNUMLET:
    return CLASS_MID_NUM_LET;
  case U_WB_SINGLE_QUOTE:
    return CLASS_SINGLE_QUOTE;
  case U_WB_DOUBLE_QUOTE:
    return CLASS_DOUBLE_QUOTE;
  case U_WB_EXTEND:
  case U_WB_FORMAT:
  case U_WB_ZWJ:
    return CLASS_EXTEND;
  default:
    break;
  }
  if (u_getIntPropertyValue(character, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT)
    return CLASS_COMPLEX;
  UErrorCode status = U_ZERO_ERROR;
  UScriptCode script = uscript_getScript(character, &status);
  return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA ? CLASS_IDEOGRAPH : CLASS_OTHER;
}

/* One step of the word automaton: the states reachable from `states` by a
 * character of class `class`. */
static guint advance(guint states, CharacterClass class)
{
  guint next = 0;
  switch (class) {
  case CLASS_HEBREW:
    if (states & (BETWEEN | ENDS_UNIT))
      next |= STATE_LETTER | STATE_HEBREW;
    if (states & STATE_LETTER_MIDDLE)
      next |= STATE_LETTER;
    if (states & STATE_HEBREW_MIDDLE)
      next |= STATE_QUOTED;
    break;
  case CLASS_LETTER:
    if (states & (BETWEEN | ENDS_UNIT | STATE_LETTER_MIDDLE))
      next |= STATE_LETTER;
    break;
  case CLASS_DIGIT:
    if (states & (BETWEEN | ENDS_UNIT | STATE_DIGIT_MIDDLE))
      next |= STATE_DIGIT;
    break;
  case CLASS_KATAKANA:
    if (states & (BETWEEN | STATE_KATAKANA))
      next |= STATE_KATAKANA;
    break;
  case CLASS_EXTEND_NUM_LET:
    if (states & STATE_START)
      next |= STATE_START;
    if (states & ACCEPTS)
      next |= STATE_CONNECTOR;
    break;
  case CLASS_MID_LETTER:
    if (states & STATE_LETTER)
      next |= STATE_LETTER_MIDDLE;
    break;
  case CLASS_MID_NUM:
    if (states & STATE_DIGIT)
      next |= STATE_DIGIT_MIDDLE;
    break;
  case CLASS_SINGLE_QUOTE:
    if (states & STATE_HEBREW)
      next |= STATE_QUOTED;
    /* fall through */
  case CLASS_MID_NUM_LET:
    if (states & STATE_LETTER)
      next |= STATE_LETTER_MIDDLE;
    if (states & STATE_DIGIT)
      next |= STATE_DIGIT_MIDDLE;
    break;
  case CLASS_DOUBLE_QUOTE:
    if (states & STATE_HEBREW)
      next |= STATE_HEBREW_MIDDLE;
    break;
  case CLASS_EXTEND:
    next = states;
    break;
  default:
    break;
  }
  return next;
}

/* Decodes the character at *text (not NUL) and moves past it. */
static UChar32 next_character(const char **text)
{
  guchar first = (guchar) * *text;
  if (first < 0x80) {
    (*text)++;
    return first;
  }
  UChar32 character = (UChar32)g_utf8_get_char(*text);
  *text = g_utf8_next_char(*text);
  return character;
}

static guint utf16_length(UChar32 character)
{
  return character > 0xFFFF ? 2 : 1;
}

/* The end of the longest token that starts at `text`, or NULL. */
static const char *match_word(const char *text)
{
  const char *accepted = NULL;
  guint states = STATE_START, units = 0;
  while (*text) {
    const char *after = text;
    UChar32 character = next_character(&after);
    CharacterClass class = classify(character);
    units += utf16_length(character);
    if (units > SHOP_TOKEN_LIMIT)
      break;
    if (class == CLASS_EXTEND && states == STATE_START)
      break;
    states = advance(states, class);
    if (!states)
      break;
    text = after;
    if (states & ACCEPTS)
      accepted = text;
  }
  return accepted;
}

/* Characters that follow one of class `class` as part of the same token:
 * combining marks, and for complex scripts more of the same. */
static const char *match_run(const char *text, CharacterClass class)
{
  guint units = utf16_length(next_character(&text));
  while (*text) {
    const char *after = text;
    UChar32 character = next_character(&after);
    CharacterClass following = classify(character);
    units += utf16_length(character);
    if (units > SHOP_TOKEN_LIMIT || !(following == CLASS_EXTEND || (class == CLASS_COMPLEX && following == class)))
      break;
    text = after;
  }
  return text;
}

static gboolean is_stop_word(const char *term, gsize length)
{
  static const char *const words[] = {"a",    "an",   "and",  "are",  "as",   "at",    "be",   "but",   "by",
                                      "for",  "if",   "in",   "into", "is",   "it",    "no",   "not",   "of",
                                      "on",   "or",   "such", "that", "the",  "their", "then", "there", "these",
                                      "they", "this", "to",   "was",  "will", "with"};
  if (length > 5)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
    if (words[i][0] == term[0] && strlen(words[i]) == length && memcmp(words[i], term, length) == 0)
      return TRUE;
  return FALSE;
}

static void emit_ascii(char *term, gsize length, ShopTermFunction function, gpointer user_data)
{
  if (length >= 2 && term[length - 2] == '\'' && term[length - 1] == 's')
    length -= 2;
  if (is_stop_word(term, length))
    return;
  length = shop_porter_stem(term, length);
  function(term, length, user_data);
}

/* The stemmer counts UTF-16 units, as Lucene's does, and cares about a
 * non-ASCII unit only for being a consonant and for being equal to the one
 * before it. So it works on a shadow of one byte per unit, in which
 * non-ASCII units are two alternating bytes; what it changes is ASCII. */
static void emit_unicode(const char *text, const char *end, ShopTermFunction function, gpointer user_data)
{
  gunichar2 units[SHOP_TOKEN_LIMIT];
  char shadow[SHOP_TOKEN_LIMIT];
  gsize length = 0;
  while (text < end) {
    UChar32 character = u_tolower(next_character(&text));
    if (character > 0xFFFF) {
      units[length++] = (gunichar2)(0xD800 + ((character - 0x10000) >> 10));
      units[length++] = (gunichar2)(0xDC00 + ((character - 0x10000) & 0x3FF));
    } else
      units[length++] = (gunichar2)character;
  }
  if (length >= 2 && units[length - 1] == 's' &&
      (units[length - 2] == '\'' || units[length - 2] == 0x2019 || units[length - 2] == 0xFF07))
    length -= 2;
  char mark = '\x80';
  for (gsize i = 0; i < length; i++) {
    if (units[i] < 0x80) {
      shadow[i] = (char)units[i];
      continue;
    }
    if (i > 0 && units[i] != units[i - 1])
      mark = mark == '\x80' ? '\x81' : '\x80';
    shadow[i] = mark;
  }
  if (is_stop_word(shadow, length))
    return;
  length = shop_porter_stem(shadow, length);
  char term[3 * SHOP_TOKEN_LIMIT];
  gsize bytes = 0;
  for (gsize i = 0; i < length; i++) {
    if (!(shadow[i] & '\x80'))
      term[bytes++] = shadow[i];
    else if (units[i] >= 0xD800 && units[i] < 0xDC00) {
      bytes +=
          (gsize)g_unichar_to_utf8(0x10000u + ((units[i] - 0xD800u) << 10) + (units[i + 1] - 0xDC00u), term + bytes);
      i++;
    } else
      bytes += (gsize)g_unichar_to_utf8(units[i], term + bytes);
  }
  function(term, bytes, user_data);
}

/* The short cut: a run of ASCII letters and digits that no character follows
 * which could continue the token. Returns its end, or NULL. */
static const char *match_ascii(const char *text, char *term)
{
  gsize length = 0;
  for (; g_ascii_isalnum(text[length]); length++) {
    if (length == SHOP_TOKEN_LIMIT)
      return NULL;
    term[length] = g_ascii_tolower(text[length]);
  }
  guchar next = (guchar)text[length];
  if (length == 0 || next >= 0x80 || (next && strchr("_.:,;'\"", next)))
    return NULL;
  return text + length;
}

void shop_analyze(const char *text, ShopTermFunction function, gpointer user_data)
{
  char term[SHOP_TOKEN_LIMIT];
  while (*text) {
    const char *end = match_ascii(text, term);
    if (end) {
      emit_ascii(term, (gsize)(end - text), function, user_data);
      text = end;
      continue;
    }
    end = match_word(text);
    if (!end) {
      const char *after = text;
      CharacterClass class = classify(next_character(&after));
      if (class == CLASS_IDEOGRAPH || class == CLASS_COMPLEX)
        end = match_run(text, class);
      else {
        text = after;
        continue;
      }
    }
    emit_unicode(text, end, function, user_data);
    text = end;
  }
}
