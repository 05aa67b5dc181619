/* A list of blocks, of which in the steady state there is one: when a pass needed more than one, the next
 * clear replaces them by a single block of the whole size. The workspace owns the blocks; pieces are
 * borrowed. */
#include "models/bert_cpu/workspace.h"
#ifdef __linux__
#include <sys/mman.h>
#endif

#define ALIGNMENT   64
#define HUGE_PAGE   ((gsize)2 << 20)
#define FIRST_BLOCK ((gsize)1 << 20)

typedef struct {
  char *allocated; /* what to free */
  char *memory;    /* aligned, inside it */
  gsize size;
} Block;

struct BertWorkspace {
  GArray *blocks; /* Block */
  gsize position; /* in the last block */
  gsize used;     /* bytes cut since clear */
};

static void block_clear(gpointer data)
{
  g_free(((Block *)data)->allocated);
}

static gsize alignment_of(gsize size)
{
  return size >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
}

static gsize rounded(gsize size)
{
  gsize alignment = alignment_of(size);
  return (size + alignment - 1) / alignment * alignment;
}

gsize bert_workspace_reserve(gsize used)
{
  return rounded(used + used / 8);
}

/* Large blocks lie on huge pages where the system gives them: the matrix product walks over many rows at
 * once. */
static void add_block(BertWorkspace *workspace, gsize size)
{
  gsize alignment = alignment_of(size);
  Block block = {.size = rounded(size)};
  block.allocated = g_malloc(block.size + alignment);
  block.memory = block.allocated + (alignment - (guintptr)block.allocated % alignment) % alignment;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (alignment == HUGE_PAGE)
    (void)madvise(block.memory, block.size, MADV_HUGEPAGE);
#endif
  g_array_append_val(workspace->blocks, block);
  workspace->position = 0;
}

void bert_workspace_begin(BertWorkspace *workspace, gsize used)
{
  if (workspace->blocks->len == 0)
    add_block(workspace, bert_workspace_reserve(used));
}

BertWorkspace *bert_workspace_new(void)
{
  BertWorkspace *workspace = g_new0(BertWorkspace, 1);
  workspace->blocks = g_array_new(FALSE, FALSE, sizeof(Block));
  g_array_set_clear_func(workspace->blocks, block_clear);
  return workspace;
}

void bert_workspace_free(BertWorkspace *workspace)
{
  if (!workspace)
    return;
  g_array_free(workspace->blocks, TRUE);
  g_free(workspace);
}

void bert_workspace_clear(BertWorkspace *workspace)
{
  if (workspace->blocks->len > 1) {
    gsize used = workspace->used;
    g_array_set_size(workspace->blocks, 0);
    add_block(workspace, bert_workspace_reserve(used));
  }
  workspace->position = 0;
  workspace->used = 0;
}

gpointer bert_workspace_take(BertWorkspace *workspace, gsize n_items, gsize item_size)
{
  gsize size = (MAX(n_items, 1) * item_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  Block *last = workspace->blocks->len > 0
                    ? &g_array_index(workspace->blocks, Block, workspace->blocks->len - 1)
                    : NULL;
  if (!last || last->size - workspace->position < size) {
    add_block(workspace, MAX(size, MAX(FIRST_BLOCK, workspace->used / 2)));
    last = &g_array_index(workspace->blocks, Block, workspace->blocks->len - 1);
  }
  gpointer piece = last->memory + workspace->position;
  workspace->position += size;
  workspace->used += size;
  return piece;
}

gsize bert_workspace_used(const BertWorkspace *workspace)
{
  return workspace->used;
}

gsize bert_workspace_size(const BertWorkspace *workspace)
{
  gsize size = 0;
  for (guint i = 0; i < workspace->blocks->len; i++)
    size += g_array_index(workspace->blocks, Block, i).size;
  return size;
}
