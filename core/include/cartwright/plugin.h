/* The plugin ABI. A plugin is one shared object that exports one function, cw_plugin_query. It returns a
 * constant descriptor: the plugin's name and its features (algorithms, environments, policies). The host
 * checks magic, version and sizes before it reads any other member. It copies vtables into structs of its
 * own; members that an older, smaller vtable lacks read as NULL. It never unloads a plugin.
 *
 * Rules for a plugin: never exit, abort or print; never install signal handlers, change the locale or touch a
 * global random generator; report through GError; log through g_message, g_info and g_warning. It links
 * libcartwright and GLib, treats host objects as opaque handles, and never allocates or embeds a host struct
 * that is not documented as caller-filled. */
#ifndef CARTWRIGHT_PLUGIN_H
#define CARTWRIGHT_PLUGIN_H

#include <cartwright/error.h>
#include <cartwright/option.h>
#include <glib.h>

G_BEGIN_DECLS

#define CW_PLUGIN_MAGIC 0x43575031u /* "CWP1" */
#define CW_ABI_MAJOR    2           /* bumped by anything that is not an addition at an end */
#define CW_ABI_MINOR    0           /* bumped by members added at the end of a struct, and by functions */

typedef enum { CW_FEATURE_ALGORITHM = 1, CW_FEATURE_ENVIRONMENT = 2, CW_FEATURE_POLICY = 3 } CwFeatureKind;

/* Capability bits of a policy (CwFeature.capabilities). The host compares what an algorithm needs with them
 * before any weights are loaded. */
#define CW_POLICY_TRAINS    (1ull << 0) /* forward, backward, step */
#define CW_POLICY_VALUES    (1ull << 1) /* has a value head */
#define CW_POLICY_CLONES    (1ull << 2) /* clone_frozen: can serve as its own reference */
#define CW_POLICY_ON_DEVICE (1ull << 3) /* computes on an accelerator */
#define CW_POLICY_ACTS      (1ull << 4) /* act: chooses by itself, possibly an action in its own words */
#define CW_POLICY_WORDS     (1ull << 5) /* forward_words: a log-probability of given words */
#define CW_POLICY_HISTORY   (1ull << 6) /* reads CwDecision.history: the host keeps the steps for it */

/* Capability bits of an environment. */
#define CW_ENVIRONMENT_SCRIPTS   (1ull << 0) /* has scripted agents (CwEnvironmentVtable.scripts) */
#define CW_ENVIRONMENT_RECORDS   (1ull << 1) /* reads recorded sessions for replay and import */
#define CW_ENVIRONMENT_FREE_TEXT (1ull << 2) /* step_text accepts actions outside the candidates */
#define CW_ENVIRONMENT_RESTORES  (1ull << 3) /* save_session and restore_session */

/* One thing a plugin offers. `vtable` points to a CwAlgorithmVtable, CwEnvironmentVtable or CwPolicyVtable
 * according to `kind`. */
typedef struct CwFeature {
  CwFeatureKind kind;
  const char *name;        /* unique within its kind, lower case with underscores */
  const char *summary;     /* one line for listings */
  const void *vtable;      /* constant, lives as long as the process */
  guint32 vtable_size;     /* sizeof of that vtable when the plugin was built */
  guint64 capabilities;    /* bits above; of an algorithm the CW_NEEDS_* that it always has */
  const CwOption *options; /* n_options rows, or NULL */
  guint32 n_options;
  guint32 option_size;  /* sizeof(CwOption) when the plugin was built */
  guint32 options_size; /* sizeof of the struct that the rows fill */
  /* Optional: why the feature cannot be used on this machine ("there is no NVIDIA driver (libcuda.so.1 was
   * not found)"), to be freed with g_free; NULL: it can. It is asked when features are listed and before one
   * is opened, and loads nothing big. */
  char *(*unavailable)(void);
} CwFeature;

/* The constant that cw_plugin_query returns. The first four members stay where they are for ever. */
typedef struct CwPluginDescriptor {
  guint32 magic;        /* CW_PLUGIN_MAGIC */
  guint16 abi_major;    /* must equal the host's */
  guint16 abi_minor;    /* must not exceed the host's */
  guint32 struct_size;  /* sizeof(CwPluginDescriptor) when the plugin was built */
  guint32 feature_size; /* sizeof(CwFeature) when the plugin was built */
  const char *name, *version, *license, *summary;
  const CwFeature *features; /* n_features of them, feature_size bytes apart */
  guint32 n_features;
} CwPluginDescriptor;

/* The one symbol a plugin exports. Called once, from the main thread. */
typedef const CwPluginDescriptor *(*CwPluginQuery)(void);
#define CW_PLUGIN_QUERY_SYMBOL "cw_plugin_query"

/* Writes the descriptor and the entry point. `feature_array` is a static array of CwFeature; NAME is the
 * file's name without .so. Example:
 *   CW_PLUGIN("bc", "1.0", "MIT", "Behaviour cloning", features) */
#define CW_PLUGIN(plugin_name, plugin_version, plugin_license, plugin_summary, feature_array)                \
  G_BEGIN_DECLS G_MODULE_EXPORT const CwPluginDescriptor *cw_plugin_query(void);                             \
  G_END_DECLS const CwPluginDescriptor *cw_plugin_query(void)                                                \
  {                                                                                                          \
    static const CwPluginDescriptor descriptor = {                                                           \
        CW_PLUGIN_MAGIC,                                                                                     \
        CW_ABI_MAJOR,                                                                                        \
        CW_ABI_MINOR,                                                                                        \
        sizeof(CwPluginDescriptor),                                                                          \
        sizeof(CwFeature),                                                                                   \
        plugin_name,                                                                                         \
        plugin_version,                                                                                      \
        plugin_license,                                                                                      \
        plugin_summary,                                                                                      \
        feature_array,                                                                                       \
        G_N_ELEMENTS(feature_array),                                                                         \
    };                                                                                                       \
    return &descriptor;                                                                                      \
  }                                                                                                          \
  G_STATIC_ASSERT(sizeof(feature_array) > 0)

#ifndef G_MODULE_EXPORT
#define G_MODULE_EXPORT __attribute__((visibility("default")))
#endif

/* Fills the option members of a CwFeature initialiser from a static row array. */
#define CW_FEATURE_OPTIONS(rows, options_type)                                                               \
  .options = (rows), .n_options = G_N_ELEMENTS(rows), .option_size = sizeof(CwOption),                       \
  .options_size = sizeof(options_type)

G_END_DECLS

#endif
