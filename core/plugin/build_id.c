/* Finds the loaded object that an address belongs to and reads its notes. */
#include "config.h" /* first: it asks for dl_iterate_phdr */

#include "core/plugin/build_id.h"
#include <elf.h>
#include <link.h>
#include <string.h>

typedef struct {
  guintptr address;
  char *found;
} Search;

static gboolean holds(const struct dl_phdr_info *object, guintptr address)
{
  for (guint i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    guintptr begin = (guintptr)(object->dlpi_addr + segment->p_vaddr);
    if (segment->p_type == PT_LOAD && address >= begin && address - begin < segment->p_memsz)
      return TRUE;
  }
  return FALSE;
}

/* The identifier among the notes of a segment; NULL when it is not there. A note is a header, a name and a
 * description, each filled up to four bytes. */
static char *read_notes(const char *notes, gsize length)
{
  while (length >= sizeof(ElfW(Nhdr))) {
    const ElfW(Nhdr) *note = (gconstpointer)notes;
    gsize name_size = (note->n_namesz + 3u) & ~3u, size = (note->n_descsz + 3u) & ~3u;
    const char *name = notes + sizeof *note, *description = name + name_size;
    if (name_size + size > length - sizeof *note)
      return NULL;
    if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
      GString *text = g_string_new(NULL);
      for (guint i = 0; i < note->n_descsz; i++)
        g_string_append_printf(text, "%02x", (guint)(guchar)description[i]);
      return g_string_free(text, FALSE);
    }
    notes += sizeof *note + name_size + size;
    length -= sizeof *note + name_size + size;
  }
  return NULL;
}

static int look(struct dl_phdr_info *object, size_t size G_GNUC_UNUSED, void *data)
{
  Search *search = data;
  if (!holds(object, search->address))
    return 0;
  for (guint i = 0; i < object->dlpi_phnum && !search->found; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    if (segment->p_type == PT_NOTE)
      search->found =
          read_notes((const char *)(guintptr)(object->dlpi_addr + segment->p_vaddr), segment->p_memsz);
  }
  return 1;
}

char *cw_build_id(gconstpointer address)
{
  Search search = {.address = (guintptr)address};
  dl_iterate_phdr(look, &search);
  return search.found ? search.found : g_strdup("unknown");
}
