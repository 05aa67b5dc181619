/* A plugin file that crashes before anybody knows what is in it. */
#include <cartwright/cartwright.h>
#include <signal.h>

G_MODULE_EXPORT const CwPluginDescriptor *cw_plugin_query(void);
const CwPluginDescriptor *cw_plugin_query(void)
{
  raise(SIGSEGV);
  return NULL;
}
