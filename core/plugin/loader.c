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

/* Where the descriptor and the feature of ABI 2.0 end. */
#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))
#define DESCRIPTOR_MINIMUM   END_OF(CwPluginDescriptor, n_features)
#define FEATURE_MINIMUM      END_OF(CwFeature, unavailable)
#define MOST_FEATURES        1000 /* more than any plugin has; such a number was never counted */
#define NOT_A_MULTIPLE(size) ((size) % G_ALIGNOF(gpointer) != 0)
#define CHANGES              "docs/howto/from-1-to-2.md"
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

/* Sets "FILE: " and the text. Returns FALSE. */
static gboolean refuse(const char *path, CwErrorCode code, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
static gboolean refuse(const char *path, CwErrorCode code, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CW_PLUGIN_ERROR, code, "%s: %s", path, text);
  return FALSE;
}

static gboolean check_regular_file(const char *path, GError **error)
{
  struct stat status;
  if (stat(path, &status) != 0)
    return refuse(path, CW_ERROR_INPUT_OUTPUT, error,
                  "expected a plugin (a shared object), found no readable file (%s); check the path",
                  g_strerror(errno));
  return S_ISREG(status.st_mode) ||
         refuse(path, CW_ERROR_INPUT_OUTPUT, error,
                "expected a plugin (a shared object), found %s; name the .so file itself",
                file_type(status.st_mode));
}

/* The usual reason for each of dlopen's complaints, and what to do about it. */
static void set_dlopen_error(const char *path, const char *reason, GError **error)
{
  if (g_str_has_prefix(reason, path) && g_str_has_prefix(reason + strlen(path), ": "))
    reason += strlen(path) + 2;
  g_autofree char *cure = NULL;
  if (strstr(reason, "undefined symbol"))
    cure = g_strdup("link the library that defines it, or " REBUILD "; -Wl,-z,defs finds this when linking");
  else if (strstr(reason, "cannot open shared object"))
    cure = g_strdup_printf("install the missing library; \"ldd %s\" lists what it needs", path);
  else
    cure =
        g_strdup_printf("\"file %s\" says what it is; \"ldd %s\" lists the libraries it needs", path, path);
  refuse(path, CW_ERROR_FORMAT, error, "expected a shared object that loads on this machine, found: %s; %s",
         reason, cure);
}

static const CwPluginDescriptor *query(const char *path, GError **error)
{
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!object) {
    set_dlopen_error(path, dlerror(), error);
    return NULL;
  }
  void *symbol = dlsym(object, CW_PLUGIN_QUERY_SYMBOL);
  if (!symbol) {
    refuse(
        path, CW_ERROR_FORMAT, error,
        "expected the function " CW_PLUGIN_QUERY_SYMBOL
        ", found a shared object without it; if it is meant to be a plugin, write CW_PLUGIN(...) at the end "
        "of one of its files and do not hide that symbol");
    return NULL;
  }
  CwPluginQuery function;
  memcpy(&function, &symbol, sizeof function);
  const CwPluginDescriptor *descriptor = function();
  if (!descriptor)
    refuse(path, CW_ERROR_FORMAT, error,
           "expected a descriptor from " CW_PLUGIN_QUERY_SYMBOL
           ", found NULL; return the address of a constant, as CW_PLUGIN(...) does");
  return descriptor;
}

/* The members that never move, in the order in which they can be trusted. */
static gboolean check_descriptor(const char *path, const CwPluginDescriptor *descriptor, GError **error)
{
  if (descriptor->magic != CW_PLUGIN_MAGIC)
    return refuse(path, CW_ERROR_FORMAT, error,
                  "expected the magic number 0x%08x, found 0x%08x; this is another program's plugin, or its "
                  "descriptor was written by hand: use CW_PLUGIN(...)",
                  CW_PLUGIN_MAGIC, descriptor->magic);
  if (descriptor->abi_major != CW_ABI_MAJOR)
    return refuse(path, CW_ERROR_UNSUPPORTED, error,
                  "expected plugin ABI %d, found ABI %u.%u; " REBUILD "; " CHANGES " says what has changed",
                  CW_ABI_MAJOR, descriptor->abi_major, descriptor->abi_minor);
  if (descriptor->struct_size < DESCRIPTOR_MINIMUM)
    return refuse(path, CW_ERROR_FORMAT, error,
                  "expected a descriptor of at least %zu bytes, found struct_size %u; set it to "
                  "sizeof(CwPluginDescriptor), as CW_PLUGIN(...) does",
                  DESCRIPTOR_MINIMUM, descriptor->struct_size);
  if (descriptor->feature_size < FEATURE_MINIMUM || NOT_A_MULTIPLE(descriptor->feature_size))
    return refuse(path, CW_ERROR_FORMAT, error,
                  "expected features of at least %zu bytes and a multiple of %zu, found feature_size %u; set "
                  "it to sizeof(CwFeature), as CW_PLUGIN(...) does",
                  FEATURE_MINIMUM, G_ALIGNOF(gpointer), descriptor->feature_size);
  /* Before 2.0 was declared the minor number held this bit, and the shapes were others. */
  if (descriptor->abi_minor & 0x8000)
    return refuse(path, CW_ERROR_UNSUPPORTED, error,
                  "expected plugin ABI %d.%d, found one from before it was finished; " REBUILD, CW_ABI_MAJOR,
                  CW_ABI_MINOR);
  return descriptor->abi_minor <= CW_ABI_MINOR ||
         refuse(path, CW_ERROR_UNSUPPORTED, error,
                "expected plugin ABI %d.%d or less, found ABI %u.%u; install a newer Cartwright, or rebuild "
                "the plugin against this version's headers",
                CW_ABI_MAJOR, CW_ABI_MINOR, descriptor->abi_major, descriptor->abi_minor);
}

/* The members whose place the sizes vouch for. */
static gboolean check_contents(const char *path, const CwPluginDescriptor *copy, GError **error)
{
  if (!copy->name || !copy->version || !copy->license || !copy->summary)
    return refuse(path, CW_ERROR_FORMAT, error,
                  "expected a name, version, license and summary, found NULL among them; fill them in "
                  "CW_PLUGIN(...)");
  if (copy->n_features == 0 || !copy->features)
    return refuse(path, CW_ERROR_FORMAT, error,
                  "expected at least one feature, found none; give CW_PLUGIN(...) an array of CwFeature");
  return copy->n_features <= MOST_FEATURES ||
         refuse(
             path, CW_ERROR_FORMAT, error,
             "expected at most %d features, found n_features %u; give CW_PLUGIN(...) an array of CwFeature",
             MOST_FEATURES, copy->n_features);
}

CwPluginDescriptor *cw_loader_open(const char *path, GError **error)
{
  if (!check_regular_file(path, error))
    return NULL;
  const CwPluginDescriptor *descriptor = query(path, error);
  if (!descriptor || !check_descriptor(path, descriptor, error))
    return NULL;
  g_autofree CwPluginDescriptor *copy = g_new0(CwPluginDescriptor, 1);
  memcpy(copy, descriptor, MIN(descriptor->struct_size, sizeof *copy));
  return check_contents(path, copy, error) ? g_steal_pointer(&copy) : NULL;
}
