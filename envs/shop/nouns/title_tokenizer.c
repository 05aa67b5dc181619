/* The title tokenizer. A piece between blanks loses prefixes and suffixes until none is left or an exception
 * stands there; what remains is cut at infixes. Afterwards neighbouring tokens that together spell an
 * exception (a letter and its point, "8)") are joined. All positions are code points of the title. */
#include "envs/shop/nouns/title_tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>

/* A part of the title. */
typedef struct {
  const gunichar *text;
  guint32 start, end;
} Piece;

static gunichar at(const Piece *piece, guint32 position)
{
  return position >= piece->start && position < piece->end ? piece->text[position] : 0;
}

static guint32 piece_length(const Piece *piece)
{
  return piece->end - piece->start;
}

/* ------------------------------------------------------------ character classes */

static gboolean is_one_of(gunichar character, const char *set)
{
  return character && g_utf8_strchr(set, -1, character);
}

static gboolean is_digit(gunichar character)
{
  return character >= '0' && character <= '9';
}

/* Signs between the ideographs count as letters. */
static gboolean is_letter(gunichar character)
{
  return character < 0x80 ? g_ascii_isalpha((char)character)
                          : u_isalpha((UChar32)character) || (character >= 0x2E80 && character <= 0x303F);
}

/* Lower case, or a letter of a script without case. */
static gboolean is_lower(gunichar character)
{
  return character < 0x80 ? g_ascii_islower((char)character)
                          : u_isalpha((UChar32)character) && !u_isupper((UChar32)character);
}

static gboolean is_upper(gunichar character)
{
  return character < 0x80 ? g_ascii_isupper((char)character)
                          : u_isalpha((UChar32)character) &&
                                (u_isupper((UChar32)character) || !u_islower((UChar32)character));
}

static gboolean is_quote(gunichar character)
{
  return is_one_of(character, "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧");
}

static gboolean is_punctuation(gunichar character)
{
  return is_one_of(character, "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪");
}

static gboolean is_icon(gunichar character)
{
  return character >= 0x80 && u_charType((UChar32)character) == U_OTHER_SYMBOL;
}

static gboolean is_currency(gunichar character)
{
  return is_one_of(character, "$£€¥฿") || (character >= 0x20A0 && character <= 0x20BF) || character == 0xFDFC;
}

static gboolean is_hyphen(gunichar character)
{
  return is_one_of(character, "-–—~");
}

static gboolean is_space(gunichar character)
{
  return character == 0xA0 || g_unichar_isspace(character);
}

/* ------------------------------------------------------------------- exceptions */

/* Fills `ascii` with the piece, curly apostrophes made straight; FALSE when it is longer than `room` - 1 or
 * has other non-ASCII characters. */
static gboolean to_ascii(const Piece *piece, char *ascii, gsize room)
{
  guint32 length = piece_length(piece);
  if (length >= room)
    return FALSE;
  for (guint32 i = 0; i < length; i++) {
    gunichar character = piece->text[piece->start + i];
    if (character == 0x2019)
      character = '\'';
    if (character >= 0x80)
      return FALSE;
    ascii[i] = (char)character;
  }
  ascii[length] = '\0';
  return TRUE;
}

static gboolean is_in(const char *word, const char *const *list, gsize n)
{
  for (gsize i = 0; i < n; i++)
    if (g_str_equal(word, list[i]))
      return TRUE;
  return FALSE;
}
#define IN(word, list) is_in(word, list, G_N_ELEMENTS(list))

static int compare_words(const void *a, const void *b)
{
  return strcmp(a, *(const char *const *)b);
}

/* Whole words with a point or a sign that belongs to them, and emoticons; in byte order. */
static gboolean is_abbreviation(const char *word)
{
  static const char *const words[] = {
      "''",    "'Cause", "'cause", "'em",   "(-:",   "(:",      "(;",    ")-:",     "):",    "):(",
      "-_-",   "0.0",    "8)",     "8-)",   "8D",    ":(",      ":)",    ":))",     ":*",    ":-(",
      ":-)",   ":-/",    ":-D",    ":/",    ":0",    ":1",      ":3",    ":>",      ":D",    ":O",
      ":P",    ":X",     ":[",     ":]",    ":o",    ":p",      ":x",    ":|",      ";)",    ";-)",
      ";D",    "<3",     "=(",     "=)",    "=/",    "=3",      "=D",    "=[",      "=]",    "=|",
      "Adm.",  "Ak.",    "Ala.",   "Apr.",  "Ariz.", "Ark.",    "Aug.",  "Bros.",   "C++",   "Calif.",
      "Co.",   "Colo.",  "Conn.",  "Corp.", "D.C.",  "Dec.",    "Del.",  "Dr.",     "E.G.",  "E.g.",
      "Feb.",  "Fla.",   "Ga.",    "Gen.",  "Gov.",  "I.E.",    "I.e.",  "Ia.",     "Id.",   "Ill.",
      "Inc.",  "Ind.",   "Jan.",   "Jr.",   "Jul.",  "Jun.",    "Kan.",  "Kans.",   "Ky.",   "La.",
      "Ltd.",  "Ma'am",  "Mar.",   "Mass.", "Md.",   "Messrs.", "Mich.", "Minn.",   "Miss.", "Mo.",
      "Mont.", "Mr.",    "Mrs.",   "Ms.",   "Mt.",   "N.C.",    "N.D.",  "N.H.",    "N.J.",  "N.M.",
      "N.Y.",  "Neb.",   "Nebr.",  "Nev.",  "Nov.",  "O'clock", "O.o",   "Oct.",    "Okla.", "Ol'",
      "Ore.",  "Pa.",    "Ph.D.",  "Prof.", "Rep.",  "Rev.",    "S.C.",  "Sen.",    "Sep.",  "Sept.",
      "St.",   "Tenn.",  "V.V",    "Va.",   "Wash.", "Wis.",    "XD",    "[:",      "[=",    "]=",
      "^_^",   "a.m.",   "and/or", "co.",   "e.g.",  "i.e.",    "ma'am", "o'clock", "o.O",   "o.o",
      "ol'",   "p.m.",   "v.s.",   "v.v",   "vs.",   "w/o",     "xD"};
  /* A single letter and its point. */
  if (g_ascii_islower(word[0]) && word[1] == '.' && word[2] == '\0')
    return TRUE;
  return bsearch(word, words, G_N_ELEMENTS(words), sizeof words[0], compare_words) != NULL;
}

static guint split_after(gsize first, gsize length, guint32 lengths[3])
{
  lengths[0] = (guint32)first;
  lengths[1] = (guint32)(length - first);
  return 2;
}

/* "I'll" and "ill": a subject and what follows it; 0 when `lower` is none. */
static guint split_subject(const char *lower, gsize length, guint32 lengths[3])
{
  /* Who may be followed by which of 'd 'll 've 're 's 'm. */
  static const struct {
    const char *word, *endings;
  } subjects[] = {
      {"i", "d l v m"},     {"you", "d l v r"},     {"he", "d l s"},       {"she", "d l s"},
      {"it", "d l s"},      {"we", "d l v r"},      {"they", "d l v r"},   {"what", "d l v r s"},
      {"who", "d l v s"},   {"where", "d l v r s"}, {"when", "d l v r s"}, {"why", "d l v r s"},
      {"how", "d l v r s"}, {"there", "d l v r s"}, {"that", "d l s"},     {"this", "d l s"},
      {"these", "d l v r"}, {"those", "d l v r"},   {"could", "v"},        {"might", "v"},
      {"must", "v"},        {"should", "v"},        {"would", "v"},        {"not", "v"},
  };
  static const char *const endings[] = {"'d", "'ll", "'ve", "'re", "'s", "'m"};
  for (gsize i = 0; i < G_N_ELEMENTS(subjects); i++) {
    gsize base = strlen(subjects[i].word);
    if (lower[0] != subjects[i].word[0] || strncmp(lower, subjects[i].word, base) != 0)
      continue;
    for (gsize j = 0; j < G_N_ELEMENTS(endings); j++)
      if (strchr(subjects[i].endings, endings[j][1]) &&
          (g_str_equal(lower + base, endings[j]) || g_str_equal(lower + base, endings[j] + 1)))
        return split_after(base, length, lengths);
  }
  return 0;
}

/* Splits a contraction: sets the lengths of its parts and returns their number, or 0. "don't" is do + n't,
 * "I'll" is I + 'll; the forms without apostrophe are split in the same places. */
static guint split_contraction(const char *word, guint32 lengths[3])
{
  static const char *const verbs[] = {"are",  "could", "dare",  "did",   "does", "do",   "had",   "has",
                                      "have", "is",    "may",   "might", "must", "need", "ought", "should",
                                      "was",  "were",  "would", "ai",    "ca",   "sha",  "wo"};
  static const char *const after_three[] = {"cannot", "gonna", "gotta", "let's"};
  /* Words as they are, though they look like a contraction. */
  static const char *const words[] = {"its", "ill", "hell", "shell", "well", "were", "shed", "whore",
                                      "Its", "Ill", "Hell", "Shell", "Well", "Were", "Shed", "Whore"};
  gsize length = strlen(word);
  char lower[16];
  if (length < 2 || length >= sizeof lower)
    return 0;
  /* Only the first letter may be upper case. */
  for (gsize i = 1; i < length; i++)
    if (g_ascii_isupper(word[i]))
      return 0;
  for (gsize i = 0; i <= length; i++)
    lower[i] = g_ascii_tolower(word[i]);
  if (IN(lower, after_three))
    return split_after(3, length, lengths);
  gsize not_length = g_str_has_suffix(lower, "n't") ? 3 : g_str_has_suffix(lower, "nt") ? 2 : 0;
  if (not_length > 0) {
    char base[16];
    g_strlcpy(base, lower, length - not_length + 1);
    if (IN(base, verbs))
      return split_after(length - not_length, length, lengths);
  }
  return IN(word, words) ? 0 : split_subject(lower, length, lengths);
}

/* "10am": an hour from 1 to 12 with am or pm. Returns the length of the number, or 0. */
static guint32 split_hour(const char *word)
{
  guint32 digits = 0;
  guint hour = 0;
  while (g_ascii_isdigit(word[digits]) && digits < 3)
    hour = 10 * hour + (guint)(word[digits++] - '0');
  if (digits == 0 || word[0] == '0' || hour < 1 || hour > 12)
    return 0;
  const char *rest = word + digits;
  return g_str_equal(rest, "am") || g_str_equal(rest, "pm") || g_str_equal(rest, "a.m.") ||
                 g_str_equal(rest, "p.m.")
             ? digits
             : 0;
}

/* If the piece is an exception, appends its tokens (when `tokens` is given) and returns TRUE. */
static gboolean match_exception(const Piece *piece, GArray *tokens)
{
  char word[16];
  guint32 lengths[3] = {piece_length(piece), 0, 0};
  guint n = 0;
  if (!to_ascii(piece, word, sizeof word))
    return FALSE;
  guint32 digits = split_hour(word);
  if (digits > 0) {
    lengths[1] = lengths[0] - digits;
    lengths[0] = digits;
    n = 2;
  } else if (is_abbreviation(word))
    n = 1;
  else
    n = split_contraction(word, lengths);
  for (guint32 i = 0, start = piece->start; tokens && i < n; start += lengths[i], i++)
    g_array_append_vals(tokens, &(ShopTitleToken){start, lengths[i]}, 1);
  return n > 0;
}

/* ---------------------------------------------------------------------- affixes */

static guint32 prefix_length(const Piece *piece)
{
  gunichar first = at(piece, piece->start), second = at(piece, piece->start + 1);
  if (first == '.' && second == '.') {
    guint32 length = 2;
    while (at(piece, piece->start + length) == '.')
      length++;
    return length;
  }
  if (first == '+')
    return !is_digit(second);
  if ((first == 'C' || first == 'A') && second == '$')
    return 2;
  if (first == 'U' && second == 'S' && at(piece, piece->start + 2) == '$')
    return 3;
  return is_one_of(first, "§%=—–") || is_punctuation(first) || is_quote(first) || is_currency(first) ||
         is_icon(first);
}

/* The length of the unit of measure that ends the piece after a digit, or 0. */
static guint32 unit_length(const Piece *piece)
{
  static const char *const units[] = {"km/h", "mbar", "km²", "km³", "dm²", "dm³", "cm²", "cm³", "mm²", "mm³",
                                      "kmh",  "mph",  "hPa", "m/s", "km",  "m²",  "m³",  "dm",  "cm",  "mm",
                                      "ha",   "µm",   "nm",  "yd",  "in",  "ft",  "kg",  "mg",  "µg",  "lb",
                                      "oz",   "Pa",   "mb",  "MB",  "kb",  "KB",  "gb",  "GB",  "tb",  "TB",
                                      "m",    "g",    "t",   "T",   "G",   "M",   "K",   "%"};
  for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
    guint32 length = (guint32)g_utf8_strlen(units[i], -1);
    if (length >= piece_length(piece) || !is_digit(piece->text[piece->end - length - 1]))
      continue;
    const char *unit = units[i];
    guint32 position = piece->end - length;
    while (*unit && piece->text[position] == g_utf8_get_char(unit)) {
      position++;
      unit = g_utf8_next_char(unit);
    }
    if (*unit == '\0')
      return length;
  }
  return 0;
}

static guint32 suffix_length(const Piece *piece)
{
  gunichar last = at(piece, piece->end - 1), before = at(piece, piece->end - 2);
  if (piece_length(piece) == 0)
    return 0;
  if (last == '.') {
    guint32 length = 1;
    while (length < piece_length(piece) && at(piece, piece->end - length - 1) == '.')
      length++;
    if (length > 1)
      return length;
    if (is_one_of(before, "FfCcKk") && at(piece, piece->end - 3) == 0xB0)
      return 1;
    return is_digit(before) || is_lower(before) || is_one_of(before, "%²-+|") || is_punctuation(before) ||
           is_quote(before) || (is_upper(before) && is_upper(at(piece, piece->end - 3)));
  }
  if ((last == 's' || last == 'S') && (before == '\'' || before == 0x2019))
    return 2;
  if (is_punctuation(last) || is_quote(last) || is_icon(last) || last == 0x2014 || last == 0x2013)
    return 1;
  if (last == '+')
    return is_digit(before);
  if (is_currency(last)) {
    if (is_one_of(before, "CA") && is_digit(at(piece, piece->end - 3)))
      return 2;
    if (before == 'S' && at(piece, piece->end - 3) == 'U' && is_digit(at(piece, piece->end - 4)))
      return 3;
    return is_digit(before);
  }
  return unit_length(piece);
}

/* The length of the infix at `position`, or 0. */
static guint32 infix_length(const Piece *piece, guint32 position)
{
  gunichar before = at(piece, position - 1), here = at(piece, position), after = at(piece, position + 1);
  if (position == piece->start)
    before = 0;
  if (here == '.' && after == '.') {
    guint32 length = 2;
    while (at(piece, position + length) == '.')
      length++;
    return length;
  }
  if (here == 0x2026 || is_icon(here))
    return 1;
  if (is_one_of(here, "+-*^") && is_digit(before) && (is_digit(after) || after == '-'))
    return 1;
  if (here == '.')
    return (is_lower(before) || is_quote(before)) && (is_upper(after) || is_quote(after));
  if (here == ',')
    return is_letter(before) && is_letter(after);
  if (is_hyphen(here) && (is_letter(before) || is_digit(before))) {
    guint32 length = 1;
    if (here == '-')
      while (length < 3 && at(piece, position + length) == '-')
        length++;
    else if (here == 0x2014 && after == 0x2014)
      length = 2;
    return is_letter(at(piece, position + length)) ? length : 0;
  }
  return is_one_of(here, ":<>=/") && (is_letter(before) || is_digit(before)) && is_letter(after);
}

/* Whether the piece is a web or mail address: labels and a lower-case top-level domain. */
static gboolean is_address(const Piece *piece)
{
  guint32 start = piece->start;
  for (guint32 i = piece->start; i < piece->end; i++) {
    if (piece->text[i] == '@')
      start = i + 1;
    if (piece->text[i] == ':' && at(piece, i + 1) == '/' && at(piece, i + 2) == '/')
      start = i + 3;
  }
  guint32 end = start, label = start, n_labels = 0;
  gboolean lower = TRUE;
  for (; end < piece->end && !is_one_of(piece->text[end], ":/?#"); end++) {
    gunichar character = piece->text[end];
    if (character == '.') {
      if (end == label || is_one_of(piece->text[end - 1], "-_"))
        return FALSE;
      label = end + 1;
      lower = TRUE;
      n_labels++;
    } else if (!(character >= 0xA1 || g_ascii_isalnum((char)character) ||
                 (end > label && is_one_of(character, "-_"))))
      return FALSE;
    else
      lower = lower && is_lower(character);
  }
  if (n_labels == 0 || end - label < 2 || !lower)
    return FALSE;
  if (at(piece, end) == ':') {
    guint32 digits = 0;
    while (is_digit(at(piece, end + 1 + digits)))
      digits++;
    end += 1 + digits;
    if (digits < 2 || digits > 5)
      return FALSE;
  }
  return end == piece->end || is_one_of(piece->text[end], "/?#");
}

static void append(GArray *tokens, guint32 start, guint32 end)
{
  if (end > start)
    g_array_append_vals(tokens, &(ShopTitleToken){start, end - start}, 1);
}

/* What is left without prefixes and suffixes. */
static void cut_infixes(const Piece *piece, GArray *tokens)
{
  guint32 from = piece->start;
  if (match_exception(piece, tokens))
    return;
  if (is_address(piece)) {
    append(tokens, piece->start, piece->end);
    return;
  }
  for (guint32 position = piece->start; position < piece->end;) {
    guint32 length = infix_length(piece, position);
    if (length > 0 && position > piece->start) {
      append(tokens, from, position);
      append(tokens, position, position + length);
      from = position + length;
    }
    position += MAX(length, 1);
  }
  append(tokens, from, piece->end);
}

/* One piece between blanks. */
static void cut_piece(Piece piece, GArray *tokens)
{
  guint32 suffixes[64];
  guint n_suffixes = 0;
  guint32 end = piece.end;
  while (piece_length(&piece) > 0 && n_suffixes < G_N_ELEMENTS(suffixes) && !match_exception(&piece, NULL)) {
    guint32 prefix = prefix_length(&piece);
    Piece rest = {piece.text, piece.start + prefix, piece.end};
    if (prefix > 0 && piece_length(&rest) > 0 && match_exception(&rest, NULL)) {
      append(tokens, piece.start, rest.start);
      piece = rest;
      break;
    }
    guint32 suffix = suffix_length(&rest);
    if (prefix == 0 && suffix == 0)
      break;
    append(tokens, piece.start, rest.start);
    piece = rest;
    if (suffix > 0) {
      suffixes[n_suffixes++] = piece.end - suffix;
      piece.end -= suffix;
    }
  }
  if (piece_length(&piece) > 0)
    cut_infixes(&piece, tokens);
  while (n_suffixes > 0) {
    guint32 start = suffixes[--n_suffixes];
    append(tokens, start, n_suffixes > 0 ? suffixes[n_suffixes - 1] : end);
  }
}

/* Joins neighbours that together spell an abbreviation, longest first. */
static void join_exceptions(const gunichar *text, GArray *tokens, guint first)
{
  guint kept = first;
  ShopTitleToken *all = (ShopTitleToken *)(gpointer)tokens->data;
  for (guint i = first; i < tokens->len; i++) {
    ShopTitleToken token = all[i];
    guint last = i;
    for (guint j = MIN(i + 3, tokens->len - 1); j > i; j--) {
      Piece piece = {text, all[i].start, all[j].start + all[j].length};
      char word[16];
      if (to_ascii(&piece, word, sizeof word) && is_abbreviation(word)) {
        token.length = piece.end - piece.start;
        last = j;
        break;
      }
    }
    all[kept++] = token;
    i = last;
  }
  g_array_set_size(tokens, kept);
}

void shop_title_tokenize(const gunichar *text, gsize length, GArray *tokens)
{
  guint32 position = 0;
  while (position < length) {
    guint32 start = position;
    gboolean space = is_space(text[position]);
    while (position < length && is_space(text[position]) == space)
      position++;
    if (!space) {
      guint first = tokens->len;
      cut_piece((Piece){text, start, position}, tokens);
      join_exceptions(text, tokens, first);
      continue;
    }
    /* One blank after a token only separates; further white space is a token. */
    if (text[start] == ' ' && start > 0)
      start++;
    append(tokens, start, position);
  }
}
