/* The character classes of BERT's tokenizer, pinned to the Unicode versions that HuggingFace's fast tokenizer
 * was built with. Found by asking that tokenizer about every code point (docs/reference/bert.md says how). */
#include "models/bert/characters.h"

#include <unicode/uchar.h>

#include <cartwright/error.h>

/* The general category in Unicode 8; unassigned if the character came later. */
static gint8 category(UChar32 character)
{
  switch (character) {
  case 0x166D:  /* CANADIAN SYLLABICS CHI SIGN: a symbol since Unicode 12 */
  case 0x111C9: /* SHARADA SANDHI MARK: a mark since Unicode 11 */
    return U_OTHER_PUNCTUATION;
  case 0x1734: /* HANUNOO SIGN PAMUDPOD: a spacing mark since Unicode 14 */
    return U_NON_SPACING_MARK;
  case 0x1885: /* MONGOLIAN LETTER ALI GALI BALUDA and */
  case 0x1886: /* THREE BALUDA: marks since Unicode 9 */
    return U_OTHER_LETTER;
  case 0xA9BD: /* JAVANESE CONSONANT SIGN KERET: a non-spacing mark since Unicode 11 */
    return U_COMBINING_SPACING_MARK;
  default:
    break;
  }
  UVersionInfo age;
  u_charAge(character, age);
  return age[0] > 8 ? U_UNASSIGNED : u_charType(character);
}

gboolean bert_character_is_dropped(UChar32 character)
{
  if (character == 0 || character == 0xFFFD)
    return TRUE;
  if (character == '\t' || character == '\n' || character == '\r')
    return FALSE;
  gint8 type = category(character);
  return type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || type == U_PRIVATE_USE_CHAR;
}

gboolean bert_character_is_space(UChar32 character)
{
  return u_isUWhiteSpace(character);
}

gboolean bert_character_is_punctuation(UChar32 character)
{
  if (character < 0x80)
    return g_ascii_ispunct((gchar)character);
  return (U_MASK(category(character)) & U_GC_P_MASK) != 0;
}

gboolean bert_character_is_ideograph(UChar32 character)
{
  /* The gap at 2B820..2B91F is HuggingFace's. */
  return (character >= 0x4E00 && character <= 0x9FFF) || (character >= 0x3400 && character <= 0x4DBF) ||
         (character >= 0x20000 && character <= 0x2A6DF) || (character >= 0x2A700 && character <= 0x2B81F) ||
         (character >= 0x2B920 && character <= 0x2CEAF) || (character >= 0xF900 && character <= 0xFAFF) ||
         (character >= 0x2F800 && character <= 0x2FA1F);
}

gboolean bert_character_is_accent(UChar32 character)
{
  return category(character) == U_NON_SPACING_MARK;
}

gboolean bert_decomposition_init(BertDecomposition *decomposition, GError **error)
{
  UErrorCode code = U_ZERO_ERROR;
  const UNormalizer2 *nfd = unorm2_getNFDInstance(&code);
  *decomposition = (BertDecomposition){.known = uset_openPattern(u"[:age=12.0:]", -1, &code)};
  if (U_SUCCESS(code)) {
    uset_freeze(decomposition->known);
    decomposition->normalizer = unorm2_openFiltered(nfd, decomposition->known, &code);
  }
  if (U_FAILURE(code)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FAILED,
                "ICU has no data for NFD normalisation (%s); install the ICU library with its data",
                u_errorName(code));
    bert_decomposition_clear(decomposition);
    return FALSE;
  }
  return TRUE;
}

void bert_decomposition_clear(BertDecomposition *decomposition)
{
  unorm2_close(decomposition->normalizer);
  uset_close(decomposition->known);
  *decomposition = (BertDecomposition){0};
}
