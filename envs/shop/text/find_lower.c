/* Finding an ASCII needle in a text's lower case: its first and its last byte are compared at sixteen places
 * at once, in either case, and what is between them only where both fit. The two characters whose lower case
 * holds ASCII letters, and needles that are not ASCII in lower case, take the way through the lowered text.
 */
#include "envs/shop/text/find_lower.h"

#include "envs/shop/text/text.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What a text's byte must be after `| bit` to stand for a byte of the needle: a letter of either case, or the
 * byte. */
typedef struct {
  char value, bit;
} Wanted;

static Wanted wanted_of(char byte)
{
  return (Wanted){byte, byte >= 'a' && byte <= 'z' ? 0x20 : 0};
}

static gboolean fits(const char *text, const char *needle, gsize length)
{
  for (gsize i = 0; i < length; i++) {
    Wanted wanted = wanted_of(needle[i]);
    if ((char)(text[i] | wanted.bit) != wanted.value)
      return FALSE;
  }
  return TRUE;
}

/* Whether a text holds `needle` (of at least one byte) when its ASCII letters are lowered. */
static gboolean find_folded(const char *text, gsize length, const char *needle, gsize needle_length)
{
  if (length < needle_length)
    return FALSE;
  gsize end = length - needle_length + 1, i = 0; /* of the places where it may begin */
#ifdef __SSE2__
  Wanted first = wanted_of(needle[0]), last = wanted_of(needle[needle_length - 1]);
  const __m128i first_value = _mm_set1_epi8(first.value), first_bit = _mm_set1_epi8(first.bit);
  const __m128i last_value = _mm_set1_epi8(last.value), last_bit = _mm_set1_epi8(last.bit);
  for (; i + 16 <= end; i += 16) {
    __m128i heads = _mm_loadu_si128((const __m128i *)(gconstpointer)(text + i));
    __m128i tails = _mm_loadu_si128((const __m128i *)(gconstpointer)(text + i + needle_length - 1));
    heads = _mm_cmpeq_epi8(_mm_or_si128(heads, first_bit), first_value);
    tails = _mm_cmpeq_epi8(_mm_or_si128(tails, last_bit), last_value);
    for (guint both = (guint)_mm_movemask_epi8(_mm_and_si128(heads, tails)); both != 0; both &= both - 1)
      if (fits(text + i + __builtin_ctz(both), needle, needle_length))
        return TRUE;
  }
#endif
  for (; i < end; i++)
    if (fits(text + i, needle, needle_length))
      return TRUE;
  return FALSE;
}

#define CAPITAL_I_WITH_DOT "\xc4\xb0"     /* U+0130, in lower case an i and a dot */
#define KELVIN_SIGN        "\xe2\x84\xaa" /* U+212A, in lower case a k */

ShopLowerText shop_lower_text(const char *text, gsize length)
{
  gboolean is_simple = !find_folded(text, length, CAPITAL_I_WITH_DOT, strlen(CAPITAL_I_WITH_DOT)) &&
                       !find_folded(text, length, KELVIN_SIGN, strlen(KELVIN_SIGN));
  return (ShopLowerText){text, length, is_simple};
}

gboolean shop_lower_text_holds(const ShopLowerText *text, const char *needle, GString *scratch)
{
  gsize length = 0;
  while (needle[length] != '\0' && (guchar)needle[length] < 0x80 && !g_ascii_isupper(needle[length]))
    length++;
  if (needle[length] == '\0' && text->is_simple)
    return length == 0 || find_folded(text->text, text->length, needle, length);
  g_string_truncate(scratch, 0);
  shop_text_append_lower(scratch, text->text, text->length);
  return strstr(scratch->str, needle) != NULL;
}
