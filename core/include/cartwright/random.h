/* Random streams. Every use of chance has a stream of its own, derived from (seed, purpose, index, episode),
 * so results depend neither on the number of threads nor on the number of sessions played at the same time. A
 * stream is counter-based (Philox 4x32-10, Salmon et al. 2011): its whole state is a key and a counter. A
 * stream is used by one thread at a time. */
#ifndef CARTWRIGHT_RANDOM_H
#define CARTWRIGHT_RANDOM_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct CwRandom CwRandom;

/* A new stream; free with cw_random_free. `purpose` is a short word ("dropout", "rollout"); equal arguments
 * always give equal streams. */
CwRandom *cw_random_new(guint32 seed, const char *purpose, guint64 index, guint64 episode);
void cw_random_free(CwRandom *random); /* accepts NULL */

/* Moves an existing stream to the start of (seed, purpose, index, episode). */
void cw_random_restart(CwRandom *random, guint32 seed, const char *purpose, guint64 index, guint64 episode);

guint32 cw_random_uint32(CwRandom *random);
guint64 cw_random_uint64(CwRandom *random);
double cw_random_uniform(CwRandom *random);               /* [0, 1), 53 bits */
double cw_random_normal(CwRandom *random);                /* mean 0, variance 1 */
guint32 cw_random_below(CwRandom *random, guint32 limit); /* 0 .. limit-1, unbiased; limit > 0 */
void cw_random_shuffle(CwRandom *random, guint32 *items, guint n_items); /* Fisher-Yates */

/* Draws an index from the softmax of n_logits logits (n_logits > 0). */
guint cw_random_categorical(CwRandom *random, const float *logits, guint n_logits);

/* The whole state as text, and back; for checkpoints. load returns FALSE and leaves the stream alone when the
 * text is not one that save wrote. */
char *cw_random_save(const CwRandom *random);
gboolean cw_random_load(CwRandom *random, const char *state);

G_END_DECLS

#endif
