/* Turns text into search terms. The tokenizer recognises the token shapes of Lucene's StandardTokenizer: UAX
 * #29 words that contain a letter or a digit, single ideographs and kana, runs of South-East Asian script,
 * and emoji. It simulates a small nondeterministic automaton over word-break classes, whose set of states is
 * a bit mask, and takes the longest match. Runs of ASCII letters and digits, nearly all of real text, go
 * through a short cut. */
#include "envs/shop/search/analyzer.h"

#include "envs/shop/search/porter.h"

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

#define ZERO_WIDTH_JOINER  0x200D
#define EMOJI_PRESENTATION 0xFE0F
#define KEYCAP             0x20E3

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

static gboolean is_emoji_modifier(UChar32 character)
{
  return character >= 0x1F3FB && character <= 0x1F3FF;
}

/* Lucene 8 knows the words of Unicode 9. */
static gboolean is_newer(UChar32 character)
{
  UVersionInfo age;
  u_charAge(character, age);
  return age[0] > 9;
}

/* Modifier symbols and Armenian punctuation became letters after Unicode 9. */
static gboolean was_no_letter(UChar32 character)
{
  return u_charType(character) == U_MODIFIER_SYMBOL ||
         (character >= 0x55A && character <= 0x58A && u_ispunct(character));
}

static CharacterClass classify_ascii(char character)
{
  switch (character) {
  case '_':
    return CLASS_EXTEND_NUM_LET;
  case ':':
    return CLASS_MID_LETTER;
  case ',':
  case ';':
    return CLASS_MID_NUM;
  case '.':
    return CLASS_MID_NUM_LET;
  case '\'':
    return CLASS_SINGLE_QUOTE;
  case '"':
    return CLASS_DOUBLE_QUOTE;
  default:
    return g_ascii_isdigit(character) ? CLASS_DIGIT : g_ascii_isalpha(character) ? CLASS_LETTER : CLASS_OTHER;
  }
}

/* Part of a script without spaces. Its vowel signs and tone marks are combining marks as well. */
static gboolean is_complex(UChar32 character)
{
  return character >= 0xE00 && u_getIntPropertyValue(character, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT &&
         !is_newer(character);
}

static CharacterClass classify(UChar32 character)
{
  if (character < 0x80)
    return classify_ascii((char)character);
  if (is_emoji_modifier(character) || is_newer(character))
    return CLASS_OTHER;
  switch (character) { /* others whose class changed after Unicode 9 */
  case 0x1CF2:         /* Vedic signs */
  case 0x1CF3:
    return CLASS_EXTEND;
  case 0x02D7: /* modifier letter minus */
    return CLASS_MID_LETTER;
  case 0x055F:  /* Armenian abbreviation mark */
  case 0x111C9: /* Sharada sandhi mark */
    return CLASS_OTHER;
  default:
    break;
  }
  switch ((UWordBreakValues)u_getIntPropertyValue(character, UCHAR_WORD_BREAK)) {
  case U_WB_ALETTER:
    return was_no_letter(character) ? CLASS_OTHER : CLASS_LETTER;
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
  if (is_complex(character))
    return CLASS_COMPLEX;
  UErrorCode status = U_ZERO_ERROR;
  UScriptCode script = uscript_getScript(character, &status);
  return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA ? CLASS_IDEOGRAPH : CLASS_OTHER;
}

/* One step of the word automaton: the states reachable from `states` by a character of class `class`. */
static guint step(guint states, CharacterClass class)
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

/* A place in the text and how far from the token's start it is. A token ends where the next character would
 * bring it over the limit. */
typedef struct {
  const char *text;
  guint units; /* UTF-16 */
} Cursor;

static guint utf16_length(UChar32 character)
{
  return character > 0xFFFF ? 2 : 1;
}

/* The character under the cursor, or 0 at the end of the text or of the token's room. */
static UChar32 peek(const Cursor *cursor)
{
  guchar first = (guchar)*cursor->text;
  UChar32 character = first < 0x80 ? first : (UChar32)g_utf8_get_char(cursor->text);
  return cursor->units + utf16_length(character) > SHOP_TOKEN_LIMIT ? 0 : character;
}

static void advance_past(Cursor *cursor, UChar32 character)
{
  cursor->text = g_utf8_next_char(cursor->text);
  cursor->units += utf16_length(character);
}

/* The later of two ends of a match; NULL is no match. */
static const char *longest(const char *a, const char *b)
{
  return !a || (b && b > a) ? b : a;
}

/* The end of the longest word that starts at `text`, or NULL. */
static const char *match_word(const char *text)
{
  const char *accepted = NULL;
  Cursor cursor = {text, 0};
  guint states = STATE_START;
  UChar32 character;
  while ((character = peek(&cursor)) != 0) {
    CharacterClass class = classify(character);
    if (class == CLASS_EXTEND && cursor.text == text)
      break;
    states = step(states, class);
    if (!states)
      break;
    advance_past(&cursor, character);
    if (states & ACCEPTS)
      accepted = cursor.text;
  }
  return accepted;
}

/* A single ideograph or kana, or a run of a complex script, with its marks; NULL for anything else. */
static const char *match_script(const char *text)
{
  Cursor cursor = {text, 0};
  UChar32 character = peek(&cursor);
  gboolean complex = is_complex(character);
  if (!complex && classify(character) != CLASS_IDEOGRAPH)
    return NULL;
  do {
    advance_past(&cursor, character);
    character = peek(&cursor);
  } while (character && (classify(character) == CLASS_EXTEND || (complex && is_complex(character))));
  return cursor.text;
}

static gboolean is_emoji(UChar32 character)
{
  if (character < 0x80 || is_emoji_modifier(character) ||
      u_hasBinaryProperty(character, UCHAR_REGIONAL_INDICATOR))
    return FALSE;
  if (character >= 0x1FB00 && character <= 0x1FBFF) /* reserved for emoji when Lucene's tables were made */
    return TRUE;
  return u_hasBinaryProperty(character, UCHAR_EXTENDED_PICTOGRAPHIC) ||
         u_hasBinaryProperty(character, UCHAR_EMOJI);
}

/* Moves past combining marks and joiners other than the presentation selectors; says whether `wanted` was
 * among them.
 */
static gboolean skip_marks(Cursor *cursor, UChar32 wanted, UChar32 *last)
{
  gboolean found = FALSE;
  UChar32 character;
  while ((character = peek(cursor)) != 0 && classify(character) == CLASS_EXTEND &&
         (character & ~1) != 0xFE0E) {
    found = found || character == wanted;
    *last = character;
    advance_past(cursor, character);
  }
  return found;
}

static void skip_extenders(Cursor *cursor)
{
  UChar32 character;
  while ((character = peek(cursor)) != 0 && classify(character) == CLASS_EXTEND)
    advance_past(cursor, character);
}

/* Moves past one emoji: a pictograph with its marks and presentation selector, or with a skin tone, or a lone
 * skin tone. `last` receives the last character. */
static gboolean match_emoji_element(Cursor *cursor, UChar32 *last)
{
  Cursor place = *cursor;
  UChar32 character = peek(&place);
  if (is_emoji_modifier(character)) {
    *last = character;
    advance_past(&place, character);
    skip_marks(&place, 0, last);
    *cursor = place;
    return TRUE;
  }
  while (character == ZERO_WIDTH_JOINER) {
    advance_past(&place, character);
    character = peek(&place);
  }
  if (!is_emoji(character))
    return FALSE;
  gboolean takes_modifier = u_hasBinaryProperty(character, UCHAR_EMOJI_MODIFIER_BASE);
  *last = character;
  advance_past(&place, character);
  skip_marks(&place, 0, last);
  character = peek(&place);
  if (character == EMOJI_PRESENTATION || (takes_modifier && is_emoji_modifier(character))) {
    *last = character;
    advance_past(&place, character);
    if (character != EMOJI_PRESENTATION)
      skip_marks(&place, 0, last);
  }
  *cursor = place;
  return TRUE;
}

/* Moves past tag characters and the tag that ends them; a subdivision flag has them. */
static void match_tags(Cursor *cursor)
{
  Cursor place = *cursor;
  UChar32 character;
  while ((character = peek(&place)) >= 0xE0020 && character <= 0xE007E)
    advance_past(&place, character);
  if (place.text > cursor->text && character == 0xE007F) {
    advance_past(&place, character);
    *cursor = place;
  }
}

/* The end of a keycap ("#" and a keycap mark) or a flag (two regional indicators), or NULL. */
static const char *match_keycap_or_flag(Cursor cursor, UChar32 character)
{
  UChar32 last = 0;
  advance_past(&cursor, character);
  if (u_hasBinaryProperty(character, UCHAR_REGIONAL_INDICATOR)) {
    skip_extenders(&cursor);
    character = peek(&cursor);
    if (!u_hasBinaryProperty(character, UCHAR_REGIONAL_INDICATOR))
      return NULL;
    advance_past(&cursor, character);
    skip_extenders(&cursor);
    return cursor.text;
  }
  gboolean found = skip_marks(&cursor, KEYCAP, &last);
  Cursor place = cursor;
  if (peek(&place) == EMOJI_PRESENTATION) {
    advance_past(&place, EMOJI_PRESENTATION);
    if (peek(&place) == KEYCAP) {
      skip_marks(&place, 0, &last);
      return place.text;
    }
  }
  return found ? cursor.text : NULL;
}

/* The end of the longest emoji sequence that starts at `text`, or NULL. */
static const char *match_emoji(const char *text)
{
  Cursor cursor = {text, 0};
  UChar32 character = peek(&cursor), last = 0;
  if (character == '#' || character == '*' ||
      (character >= 0x80 && u_hasBinaryProperty(character, UCHAR_REGIONAL_INDICATOR)))
    return match_keycap_or_flag(cursor, character);
  if (character < 0x80 || !match_emoji_element(&cursor, &last))
    return NULL;
  Cursor tagged = cursor;
  match_tags(&tagged);
  for (;;) {
    Cursor next = cursor;
    if (last == EMOJI_PRESENTATION && peek(&next) == ZERO_WIDTH_JOINER)
      advance_past(&next, ZERO_WIDTH_JOINER);
    else if (last != ZERO_WIDTH_JOINER)
      break;
    if (!match_emoji_element(&next, &last))
      break;
    cursor = next;
  }
  return longest(cursor.text, tagged.text);
}

/* The words of up to five letters that are too common to search for, as bytes of one number. */
#define WORD_1(a)             ((guint64)(a))
#define WORD_2(a, b)          (WORD_1(a) | WORD_1(b) << 8)
#define WORD_3(a, b, c)       (WORD_2(a, b) | WORD_1(c) << 16)
#define WORD_4(a, b, c, d)    (WORD_3(a, b, c) | WORD_1(d) << 24)
#define WORD_5(a, b, c, d, e) (WORD_4(a, b, c, d) | WORD_1(e) << 32)

static gboolean is_stop_word(const char *term, gsize length)
{
  if (length > 5)
    return FALSE;
  guint64 word = 0;
  for (gsize i = 0; i < length; i++)
    word |= (guint64)(guchar)term[i] << (8 * i);
  switch (word) {
  case WORD_1('a'):
  case WORD_2('a', 'n'):
  case WORD_2('a', 's'):
  case WORD_2('a', 't'):
  case WORD_2('b', 'e'):
  case WORD_2('b', 'y'):
  case WORD_2('i', 'f'):
  case WORD_2('i', 'n'):
  case WORD_2('i', 's'):
  case WORD_2('i', 't'):
  case WORD_2('n', 'o'):
  case WORD_2('o', 'f'):
  case WORD_2('o', 'n'):
  case WORD_2('o', 'r'):
  case WORD_2('t', 'o'):
  case WORD_3('a', 'n', 'd'):
  case WORD_3('a', 'r', 'e'):
  case WORD_3('b', 'u', 't'):
  case WORD_3('f', 'o', 'r'):
  case WORD_3('n', 'o', 't'):
  case WORD_3('t', 'h', 'e'):
  case WORD_3('w', 'a', 's'):
  case WORD_4('i', 'n', 't', 'o'):
  case WORD_4('s', 'u', 'c', 'h'):
  case WORD_4('t', 'h', 'a', 't'):
  case WORD_4('t', 'h', 'e', 'n'):
  case WORD_4('t', 'h', 'e', 'y'):
  case WORD_4('t', 'h', 'i', 's'):
  case WORD_4('w', 'i', 'l', 'l'):
  case WORD_4('w', 'i', 't', 'h'):
  case WORD_5('t', 'h', 'e', 'i', 'r'):
  case WORD_5('t', 'h', 'e', 'r', 'e'):
  case WORD_5('t', 'h', 'e', 's', 'e'):
    return TRUE;
  default:
    return FALSE;
  }
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

/* The stemmer counts UTF-16 units, as Lucene's does, and cares about a non-ASCII unit only for being a
 * consonant and for being equal to the one before it. So it works on a shadow of one byte per unit, in which
 * non-ASCII units are two alternating bytes; what it changes is ASCII. */
static void emit_unicode(const char *text, const char *end, ShopTermFunction function, gpointer user_data)
{
  gunichar2 units[SHOP_TOKEN_LIMIT];
  char shadow[SHOP_TOKEN_LIMIT];
  gsize length = 0;
  for (; text < end; text = g_utf8_next_char(text)) {
    UChar32 character = u_tolower((UChar32)g_utf8_get_char(text));
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
      bytes += (gsize)g_unichar_to_utf8(0x10000u + ((units[i] - 0xD800u) << 10) + (units[i + 1] - 0xDC00u),
                                        term + bytes);
      i++;
    } else
      bytes += (gsize)g_unichar_to_utf8(units[i], term + bytes);
  }
  function(term, bytes, user_data);
}

/* The short cut: a run of ASCII letters and digits that no character follows which could continue the token.
 * Returns its end, or NULL. */
static const char *match_ascii(const char *text, char *term)
{
  gsize length = 0;
  for (; g_ascii_isalnum(text[length]); length++) {
    if (length == SHOP_TOKEN_LIMIT)
      return NULL;
    term[length] = g_ascii_tolower(text[length]);
  }
  char next = text[length];
  if (length == 0 || (next & '\x80') || next == '_' || next == '.' || next == ':' || next == ',' ||
      next == ';' || next == '\'' || next == '"')
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
    end = longest(match_word(text), longest(match_script(text), match_emoji(text)));
    if (end)
      emit_unicode(text, end, function, user_data);
    text = end ? end : g_utf8_next_char(text);
  }
}
