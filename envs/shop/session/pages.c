/* The pages of a session as text, written straight from its state (docs/spec 5.8 to 5.11). A page is a
 * sequence of nodes; `text` joins the trimmed nodes with [SEP], `text_rich` gives each a line and marks
 * buttons, options and product links. White space in product texts is treated as the original's HTML parser
 * does. Everything goes into the session's one reused buffer. */
#include "envs/shop/session/session_private.h"
#include "envs/shop/text/text.h"

#include <string.h>

typedef enum { PLAIN, BUTTON, ITEM, ITEM_VISITED, OPTION, OPTION_CLICKED } NodeKind;

typedef struct {
  const char *text;
  gsize length;
} Piece;

/* The room of a page longer than this is given back with the next page: there are few, and every session
 * would keep the longest that it ever saw. */
#define LARGE_PAGE 8192

#define PIECE(literal) ((Piece){literal, sizeof(literal) - 1})

typedef struct {
  ShopBuffer *out;
  gboolean rich;
  gboolean started; /* text mode: a node has been written */
} Writer;

/* The marks around a node's text in text_rich. They are copied as a whole and counted by their lengths, so a
 * node needs this much room beyond its own. */
#define MARK_ROOM 24

typedef struct {
  char text[MARK_ROOM];
  gsize length;
} Mark;

#define MARK(literal)                                                                                        \
  {                                                                                                          \
    literal, sizeof(literal) - 1                                                                             \
  }

/* Room for `length` bytes, two marks and a NUL. */
static inline void make_room(ShopBuffer *out, gsize length)
{
  gsize needed = out->length + length + 2 * MARK_ROOM + 1;
  if (G_UNLIKELY(needed > out->room)) {
    out->room = needed + needed / 8 + 256; /* pages differ less than doubling would take */
    out->bytes = g_realloc(out->bytes, out->room);
  }
}

static inline void append(ShopBuffer *out, Piece piece)
{
  make_room(out, piece.length);
  memcpy(out->bytes + out->length, piece.text, piece.length);
  out->length += piece.length;
}

static inline void append_mark(ShopBuffer *out, const Mark *mark)
{
  memcpy(out->bytes + out->length, mark->text, MARK_ROOM);
  out->length += mark->length;
}

static inline void append_rich(ShopBuffer *out, NodeKind kind, Piece piece)
{
  static const struct {
    Mark before, after;
  } marks[] = {
      [PLAIN] = {MARK(""), MARK("\n")},
      [BUTTON] = {MARK("[button] "), MARK(" [button_]\n")},
      [ITEM] = {MARK("\n[button] "), MARK(" [button_]\n")},
      [ITEM_VISITED] = {MARK("\n[clicked button] "), MARK(" [clicked button_]\n")},
      [OPTION] = {MARK("  [button] "), MARK(" [button_]\n")},
      [OPTION_CLICKED] = {MARK("  [clicked button] "), MARK(" [clicked button_]\n")},
  };
  make_room(out, piece.length);
  append_mark(out, &marks[kind].before);
  memcpy(out->bytes + out->length, piece.text, piece.length);
  out->length += piece.length;
  append_mark(out, &marks[kind].after);
}

/* White space alone is a blank, or nothing when it breaks a line; FALSE then. */
static gboolean collapse(Piece *piece)
{
  if (shop_text_is_ascii_space(piece->text, piece->length)) {
    if (memchr(piece->text, '\n', piece->length))
      return FALSE;
    *piece = PIECE(" ");
  }
  return TRUE;
}

/* One text node. */
static inline void node(Writer *writer, NodeKind kind, Piece piece)
{
  if (piece.length == 0)
    return;
  guchar first = (guchar)piece.text[0], last = (guchar)piece.text[piece.length - 1];
  gboolean edges_are_plain = first > 0x20 && first < 0x80 && last > 0x20 && last < 0x80;
  if (G_UNLIKELY(!edges_are_plain) && !collapse(&piece))
    return;
  if (writer->rich) {
    append_rich(writer->out, kind, piece);
    return;
  }
  if (G_UNLIKELY(!edges_are_plain))
    shop_text_trim(&piece.text, &piece.length);
  if (writer->started)
    append(writer->out, PIECE(" [SEP] "));
  writer->started = TRUE;
  append(writer->out, piece);
}

static inline Piece piece_of(const ShopCatalogue *catalogue, ShopString string)
{
  return (Piece){shop_string(catalogue, string), shop_string_length(catalogue, string)};
}

static inline void node_string(Writer *writer, NodeKind kind, const ShopCatalogue *catalogue,
                               ShopString string)
{
  node(writer, kind, piece_of(catalogue, string));
}

/* A node made of a literal and a catalogue's string. */
static void node_pair(Writer *writer, ShopSession *session, Piece before, ShopString string)
{
  Piece after = piece_of(session->world->catalogue, string);
  if (writer->rich && after.length > 0 && (guchar)after.text[0] > 0x20) {
    append(writer->out, before);
    append_rich(writer->out, PLAIN, after);
    return;
  }
  g_string_truncate(session->scratch, 0);
  g_string_append_len(session->scratch, before.text, (gssize)before.length);
  g_string_append_len(session->scratch, after.text, (gssize)after.length);
  node(writer, PLAIN, (Piece){session->scratch->str, session->scratch->len});
}

static void write_head(Writer *writer, const ShopSession *session)
{
  const GString *instruction = session->goal->instruction;
  node(writer, PLAIN, PIECE("Instruction:"));
  node(writer, PLAIN, (Piece){instruction->str, instruction->len});
  node(writer, BUTTON, PIECE("Back to Search"));
}

static void write_search(Writer *writer, const ShopSession *session)
{
  const GString *instruction = session->goal->instruction;
  node(writer, PLAIN, PIECE("WebShop"));
  node(writer, PLAIN, PIECE("Instruction: "));
  node(writer, PLAIN, (Piece){instruction->str, instruction->len});
  node(writer, BUTTON, PIECE("Search"));
}

static void write_results(Writer *writer, ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  write_head(writer, session);
  g_string_assign(session->scratch, "Page ");
  shop_text_append_integer(session->scratch, session->page_number);
  g_string_append(session->scratch, " (Total results: ");
  shop_text_append_integer(session->scratch, session->results->len);
  g_string_append_c(session->scratch, ')');
  node(writer, PLAIN, (Piece){session->scratch->str, session->scratch->len});
  if (session->page_number > 1)
    node(writer, BUTTON, PIECE("< Prev"));
  node(writer, BUTTON, PIECE("Next >"));
  guint first, last;
  shop_session_shown(session, &first, &last);
  for (guint i = first; i < last; i++) {
    guint32 index = g_array_index(session->results, guint32, i);
    const ShopProduct *product = &catalogue->products[index];
    node_string(writer, shop_session_visited(session, index) ? ITEM_VISITED : ITEM, catalogue, product->asin);
    node_string(writer, PLAIN, catalogue, product->title);
    node_string(writer, PLAIN, catalogue, product->price_tag);
  }
}

/* Which option labels are shown as clicked. */

/* Whether a name or value of an option stands in the address as it is. */
static gboolean is_plain(const ShopCatalogue *catalogue, ShopString string)
{
  const char *text = shop_string(catalogue, string);
  while (*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\')
    text++;
  return *text == '\0';
}

/* Usually the address holds, in double quotes, the names and values of the chosen options and nothing else
 * that a label could equal (labels are trimmed). Equal names and values are one ShopString, so their places
 * decide. FALSE where it is not so simple. */
static gboolean find_chosen(ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *product = &catalogue->products[session->product];
  session->n_chosen = 0;
  if (memchr(session->keywords->str, '"', session->keywords->len) ||
      session->selections->len > G_N_ELEMENTS(session->chosen) / 2)
    return FALSE;
  for (guint i = 0; i < session->selections->len; i++) {
    const ShopSelection *selection = &g_array_index(session->selections, ShopSelection, i);
    ShopString strings[] = {catalogue->groups[product->groups.first + selection->group].name,
                            selection->value};
    for (guint s = 0; s < G_N_ELEMENTS(strings); s++) {
      if (!is_plain(catalogue, strings[s]))
        return FALSE;
      session->chosen[session->n_chosen++] = strings[s];
    }
  }
  return TRUE;
}

/* Cuts the page's address at its double quotes: `"t"` occurs in it, for a t without quotes, exactly when t is
 * one of the parts between two of them. */
static void cut_url(ShopSession *session)
{
  g_array_set_size(session->segments, 0);
  g_string_truncate(session->url, 0);
  if (session->selections->len == 0 && !strchr(session->keywords->str, '"'))
    return;
  shop_session_append_url(session, session->url);
  const char *open = strchr(session->url->str, '"');
  while (open) {
    const char *close = strchr(open + 1, '"');
    if (close) {
      gsize segment[2] = {(gsize)(open + 1 - session->url->str), (gsize)(close - open - 1)};
      g_array_append_vals(session->segments, segment, 1);
    }
    open = close;
  }
}

/* docs/spec 5.10: the original looks for the label in double quotes in the address. */
static gboolean is_in_url(const ShopSession *session, Piece label)
{
  for (guint i = 0; i < session->segments->len; i++) {
    const gsize *segment = (const gsize *)(gpointer)session->segments->data + 2 * (gsize)i;
    if (segment[1] == label.length && memcmp(session->url->str + segment[0], label.text, label.length) == 0)
      return TRUE;
  }
  if (session->segments->len == 0 || !memchr(label.text, '"', label.length))
    return FALSE;
  for (const char *quote = strchr(session->url->str, '"'); quote; quote = strchr(quote + 1, '"'))
    if (strncmp(quote + 1, label.text, label.length) == 0 && quote[1 + label.length] == '"')
      return TRUE;
  return FALSE;
}

static gboolean is_clicked(const ShopSession *session, guint32 group, ShopString value)
{
  if (session->world->settings.mode == SHOP_MODE_FIXED)
    return shop_session_selected(session, group) == value;
  for (guint i = 0; i < session->n_chosen; i++)
    if (session->chosen[i] == value)
      return TRUE;
  return session->segments->len > 0 && is_in_url(session, piece_of(session->world->catalogue, value));
}

/* Writes a line for each clicked label, last first. */
static void write_clicked_lines(Writer *writer, ShopSession *session, const ShopProduct *product)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  for (guint32 g = product->groups.count; g-- > 0;) {
    ShopSpan values = catalogue->groups[product->groups.first + g].values;
    for (guint32 v = values.count; v-- > 0;) {
      ShopString value = catalogue->strings[values.first + v];
      if (!is_clicked(session, g, value))
        continue;
      append(writer->out, PIECE("You have clicked "));
      append(writer->out, piece_of(catalogue, value));
      append(writer->out, PIECE(".\n"));
    }
  }
}

/* Finds out what decides about clicked labels; FALSE when none is. */
static gboolean prepare_clicked(ShopSession *session)
{
  session->n_chosen = 0;
  g_array_set_size(session->segments, 0);
  if (shop_session_is_fixed(session))
    return session->selections->len > 0;
  if (find_chosen(session))
    return session->n_chosen > 0;
  session->n_chosen = 0;
  cut_url(session);
  return session->segments->len > 0;
}

static void write_item(Writer *writer, ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *product = &catalogue->products[session->product];
  gboolean some_clicked = writer->rich && prepare_clicked(session);
  if (some_clicked)
    write_clicked_lines(writer, session, product);
  write_head(writer, session);
  node(writer, BUTTON, PIECE("< Prev"));
  for (guint32 g = 0; g < product->groups.count; g++) {
    const ShopOptionGroup *group = &catalogue->groups[product->groups.first + g];
    node_string(writer, PLAIN, catalogue, group->name);
    for (guint32 v = 0; v < group->values.count; v++) {
      ShopString value = catalogue->strings[group->values.first + v];
      gboolean clicked = some_clicked && is_clicked(session, g, value);
      node_string(writer, clicked ? OPTION_CLICKED : OPTION, catalogue, value);
    }
  }
  node_string(writer, PLAIN, catalogue, product->title);
  node_pair(writer, session, PIECE("Price: "), product->price_tag);
  node(writer, PLAIN, PIECE("Rating: N.A."));
  node(writer, BUTTON, PIECE("Description"));
  node(writer, BUTTON, PIECE("Features"));
  node(writer, BUTTON, PIECE("Reviews"));
  if (session->shows_attributes)
    node(writer, BUTTON, PIECE("Attributes"));
  node(writer, BUTTON, PIECE("Buy Now"));
}

static void write_sub_page(Writer *writer, ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *product = &catalogue->products[session->product];
  write_head(writer, session);
  node(writer, BUTTON, PIECE("< Prev"));
  ShopSpan list = {0, 0};
  switch (session->sub_page) {
  case SHOP_SUB_DESCRIPTION:
    node_string(writer, PLAIN, catalogue, product->description);
    break;
  case SHOP_SUB_FEATURES:
    list = product->bullets;
    break;
  case SHOP_SUB_ATTRIBUTES:
    list = product->attributes;
    break;
  case SHOP_SUB_REVIEWS: /* the original loads none */
    break;
  }
  for (guint32 i = 0; i < list.count; i++)
    node_pair(writer, session, PIECE(" "), catalogue->strings[list.first + i]);
  if (session->sub_page == SHOP_SUB_ATTRIBUTES) {
    node_string(writer, PLAIN, catalogue, product->category);
    node_string(writer, PLAIN, catalogue, product->query);
    node_string(writer, PLAIN, catalogue, product->product_category);
  }
}

/* The order in which selections stand on the done page: by the names of their groups. */
static gboolean comes_before(const ShopSession *session, const ShopSelection *a, const ShopSelection *b)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopOptionGroup *groups = catalogue->groups + catalogue->products[session->product].groups.first;
  return strcmp(shop_string(catalogue, groups[a->group].name),
                shop_string(catalogue, groups[b->group].name)) < 0;
}

/* Number `rank` in that order; no two groups of a product share a name. */
static const ShopSelection *selection_of_rank(const ShopSession *session, guint rank)
{
  const ShopSelection *selections = (const ShopSelection *)(gpointer)session->selections->data;
  for (guint i = 0; i < session->selections->len; i++) {
    guint before = 0;
    for (guint j = 0; j < session->selections->len; j++)
      before += comes_before(session, &selections[j], &selections[i]);
    if (before == rank)
      return &selections[i];
  }
  g_return_val_if_reached(NULL);
}

/* docs/spec 5.11: the simulator fills in the ASIN, the options and the reward and leaves everything else
 * empty. */
static void write_done(Writer *writer, ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *product = &catalogue->products[session->product];
  static const char *const before[] = {"Thank you for shopping with us!",      "Your code: ", "None",
                                       " (Paste it in your MTurk interface.)", "Purchased",   "asin"};
  static const char *const after[] = {"attrs",
                                      "None",
                                      "category",
                                      "None",
                                      "query",
                                      "None",
                                      "product category",
                                      "None",
                                      "Target",
                                      "asin",
                                      "options",
                                      "attrs",
                                      "price upper",
                                      "instuction text",
                                      "category",
                                      "product category",
                                      "query",
                                      "Goal ",
                                      "None",
                                      "Reward",
                                      "Your score (min 0.0, max 1.0)"};
  for (guint i = 0; i < G_N_ELEMENTS(before); i++)
    node(writer, PLAIN, (Piece){before[i], strlen(before[i])});
  node_string(writer, PLAIN, catalogue, product->asin);
  node(writer, PLAIN, PIECE("options"));

  g_string_assign(session->scratch, "{");
  for (guint i = 0; i < session->selections->len; i++) {
    const ShopSelection *selection = selection_of_rank(session, i);
    if (i > 0)
      g_string_append(session->scratch, ", ");
    shop_text_append_json(
        session->scratch,
        shop_string(catalogue, catalogue->groups[product->groups.first + selection->group].name), TRUE);
    g_string_append(session->scratch, ": ");
    shop_text_append_json(session->scratch, shop_string(catalogue, selection->value), TRUE);
  }
  g_string_append_c(session->scratch, '}');
  node(writer, PLAIN, (Piece){session->scratch->str, session->scratch->len});

  for (guint i = 0; i < G_N_ELEMENTS(after); i++)
    node(writer, PLAIN, (Piece){after[i], strlen(after[i])});
  g_string_truncate(session->scratch, 0);
  shop_text_append_double(session->scratch, session->reward.total);
  node(writer, PLAIN, (Piece){session->scratch->str, session->scratch->len});
  node(writer, PLAIN, PIECE("Reward Details "));
  node(writer, PLAIN, PIECE("None"));
}

void shop_session_write_page(ShopSession *session)
{
  Writer writer = {&session->text, session->form == SHOP_FORM_TEXT_RICH, FALSE};
  session->text.length = 0;
  if (G_UNLIKELY(session->text.room > LARGE_PAGE)) {
    g_free(session->text.bytes);
    session->text = (ShopBuffer){NULL, 0, 0};
  }
  if (session->writer) {
    g_string_truncate(session->scratch, 0);
    session->writer(session, session->scratch);
    append(&session->text, (Piece){session->scratch->str, session->scratch->len});
    session->text.bytes[session->text.length] = '\0';
    return;
  }
  switch (session->page) {
  case SHOP_PAGE_SEARCH:
    write_search(&writer, session);
    break;
  case SHOP_PAGE_RESULTS:
    write_results(&writer, session);
    break;
  case SHOP_PAGE_ITEM:
    write_item(&writer, session);
    break;
  case SHOP_PAGE_SUB:
    write_sub_page(&writer, session);
    break;
  case SHOP_PAGE_DONE:
    write_done(&writer, session);
    break;
  }
  make_room(&session->text, 0);
  session->text.bytes[session->text.length] = '\0';
}
