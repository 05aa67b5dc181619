/* What the command says when a plugin ends its process. */
#ifndef CLI_CRASH_H
#define CLI_CRASH_H

/* From here on a crash names the plugin and the slot that it happened in and goes on its way, and exit() in a
 * plugin is an error; what was printed before is not lost. Call once, before anything is printed. */
void cli_watch_plugins(void);

#endif
