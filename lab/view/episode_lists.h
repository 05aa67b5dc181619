/* Episodes as the page's data: JSON arrays in which every text, and every list of texts, stands once. */
#ifndef CW_EPISODE_LISTS_H
#define CW_EPISODE_LISTS_H

#include <cartwright/cartwright.h>

typedef struct CwEpisodeLists CwEpisodeLists;

CwEpisodeLists *cw_episode_lists_new(void);
void cw_episode_lists_free(CwEpisodeLists *lists); /* accepts NULL */

/* Appends the episode to `json`; its texts go into the lists:
 *   [goal, reward, success, truncated, [part name, value, ...], [fact name, text, ...], [step, ...]]
 * where a step is
 *   [pieces of the observation, candidates, chosen, advised or -1, reward, value or null, probabilities or 0]
 * Names and texts are numbers of strings, pieces and candidates numbers of lists. */
void cw_episode_lists_append(CwEpisodeLists *lists, GString *json, const CwTrajectory *episode);
/* Appends "strings": [...], "lists": [[...], ...]. */
void cw_episode_lists_finish(const CwEpisodeLists *lists, GString *json);

#endif
