/* Opens a plugin file and decides whether its descriptor can be trusted. Every check has a message of its own
 * that says what was expected, what was found and what to do. Nothing of the descriptor is read before the
 * members that vouch for it: magic and major come before the sizes, the sizes before the rest. A shared
 * object that was opened stays open: threads and callbacks of a plugin may outlive anything we know about. */
#include "core/plugin/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

/* Where the descriptor, the feature and the option row of ABI 1.0 end. */
#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))
#define DESCRIPTOR_MINIMUM   END_OF(CwPluginDescriptor, n_features)
#define FEATURE_MINIMUM      END_OF(CwFeature, options_size)
#define NOT_A_MULTIPLE(size) ((size) % G_ALIGNOF(gpointer) != 0)
#define REBUILD              "rebuild the plugin against this version's headers (pkg-config --cflags cartwright)"

static const char *file_type(mode_t mode)
{
  if (S_ISDIR(mode))
    return "a directory";
  if (S_ISCHR(mode) || S_ISBLK(mode))
    return "a device";
  if (S_ISFIFO(mode))
    return "a pipe";
  return "something that is not a regular file";
}

static gboolean check_regular_file(const char *path, GError **error)
{
  struct stat status;
  if (stat(path, &status) != 0) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_INPUT_OUTPUT,
                "%s: expected a plugin (a shared object), found no readable file (%s); check the path", path,
                g_strerror(errno));
    return FALSE;
  }
  if (!S_ISREG(status.st_mode)) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_INPUT_OUTPUT,
                "%s: expected a plugin (a shared object), found %s; name the .so file itself", path,
                file_type(status.st_mode));
    return FALSE;
  }
  return TRUE;
}

/* The usual reason for each of dlopen's complaints, and what to do about it. */
static void set_dlopen_error(const char *path, const char *reason, GError **error)
{
  char *cure;
  if (g_str_has_prefix(reason, path) && g_str_has_prefix(reason + strlen(path), ": "))
    reason += strlen(path) + 2;
  if (strstr(reason, "undefined symbol"))
    cure = g_strdup("link the library that defines it, or " REBUILD "; -Wl,-z,defs finds this when linking");
  else if (strstr(reason, "cannot open shared object"))
    cure = g_strdup_printf("install the missing library; \"ldd %s\" lists what it needs", path);
  else
    cure =
        g_strdup_printf("\"file %s\" says what it is; \"ldd %s\" lists the libraries it needs", path, path);
  g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
              "%s: expected a shared object that loads on this machine, found: %s; %s", path, reason, cure);
  g_free(cure);
}

static const CwPluginDescriptor *query(const char *path, GError **error)
{
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const CwPluginDescriptor *descriptor;
  CwPluginQuery function;
  void *symbol;
  if (!object) {
    set_dlopen_error(path, dlerror(), error);
    return NULL;
  }
  symbol = dlsym(object, CW_PLUGIN_QUERY_SYMBOL);
  if (!symbol) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: expected the function " CW_PLUGIN_QUERY_SYMBOL
                ", found a shared object without it; if it is meant to be a plugin, write "
                "CW_PLUGIN(...) at the end of one of its files and do not hide that symbol",
                path);
    return NULL;
  }
  memcpy(&function, &symbol, sizeof function);
  descriptor = function();
  if (!descriptor)
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: expected a descriptor from " CW_PLUGIN_QUERY_SYMBOL
                ", found NULL; return the address of a constant, as CW_PLUGIN(...) does",
                path);
  return descriptor;
}

/* The members that never move, in the order in which they can be trusted. */
static gboolean check_descriptor(const char *path, const CwPluginDescriptor *descriptor, GError **error)
{
  if (descriptor->magic != CW_PLUGIN_MAGIC) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: expected the magic number 0x%08x, found 0x%08x; this is another program's plugin, or "
                "its descriptor was written by hand: use CW_PLUGIN(...)",
                path, CW_PLUGIN_MAGIC, descriptor->magic);
    return FALSE;
  }
  if (descriptor->abi_major != CW_ABI_MAJOR) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_UNSUPPORTED,
                "%s: expected plugin ABI %d, found ABI %u.%u; " REBUILD, path, CW_ABI_MAJOR,
                descriptor->abi_major, descriptor->abi_minor);
    return FALSE;
  }
  if (descriptor->struct_size < DESCRIPTOR_MINIMUM) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: expected a descriptor of at least %zu bytes, found struct_size %u; set it to "
                "sizeof(CwPluginDescriptor), as CW_PLUGIN(...) does",
                path, DESCRIPTOR_MINIMUM, descriptor->struct_size);
    return FALSE;
  }
  if (descriptor->feature_size < FEATURE_MINIMUM || NOT_A_MULTIPLE(descriptor->feature_size)) {
    g_set_error(
        error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
        "%s: expected features of at least %zu bytes and a multiple of %zu, found feature_size %u; set it to "
        "sizeof(CwFeature), as CW_PLUGIN(...) does",
        path, FEATURE_MINIMUM, G_ALIGNOF(gpointer), descriptor->feature_size);
    return FALSE;
  }
  if (descriptor->abi_minor > CW_ABI_MINOR) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_UNSUPPORTED,
                "%s: expected plugin ABI %d.%d or an older minor, found %u.%u; install a newer Cartwright, "
                "or " REBUILD,
                path, CW_ABI_MAJOR, CW_ABI_MINOR, descriptor->abi_major, descriptor->abi_minor);
    return FALSE;
  }
  return TRUE;
}

CwPluginDescriptor *cw_loader_open(const char *path, GError **error)
{
  const CwPluginDescriptor *descriptor;
  CwPluginDescriptor *copy;
  if (!check_regular_file(path, error))
    return NULL;
  descriptor = query(path, error);
  if (!descriptor || !check_descriptor(path, descriptor, error))
    return NULL;
  copy = g_new0(CwPluginDescriptor, 1);
  memcpy(copy, descriptor, MIN(descriptor->struct_size, sizeof *copy));
  if (!copy->name || !copy->version || !copy->license || !copy->summary) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: expected a name, version, license and summary, found NULL among them; fill them in "
                "CW_PLUGIN(...)",
                path);
  } else if (copy->n_features == 0 || !copy->features) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: expected at least one feature, found none; give CW_PLUGIN(...) an array of CwFeature",
                path);
  } else {
    return copy;
  }
  g_free(copy);
  return NULL;
}
