# cartwright.m4: for plugins that live outside of Cartwright's tree.
#
# CARTWRIGHT_PLUGIN([MINIMUM-VERSION], [IF-FOUND], [IF-NOT-FOUND])
# ----------------------------------------------------------------
# Finds an installed Cartwright through pkg-config and sets, for Makefile.am:
#
#   CARTWRIGHT_CFLAGS          headers
#   CARTWRIGHT_LIBS            libraries
#   CARTWRIGHT_PLUGIN_LDFLAGS  what libtool needs to make a plugin of an object:
#                              a module that exports cw_plugin_query and nothing
#                              else, with no symbol left undefined
#   CARTWRIGHT_PLUGIN_DIR      where Cartwright looks for plugins
#   CARTWRIGHT_ABI_MAJOR       the major number of its plugin ABI
#
# A whole configure.ac and Makefile.am for one plugin:
#
#   AC_INIT([my-plugin], [1.0])            plugindir = $(CARTWRIGHT_PLUGIN_DIR)
#   AM_INIT_AUTOMAKE([foreign])            plugin_LTLIBRARIES = my_plugin.la
#   LT_INIT([disable-static])              my_plugin_la_SOURCES = my_plugin.c
#   AC_PROG_CC                             my_plugin_la_CFLAGS = $(CARTWRIGHT_CFLAGS)
#   CARTWRIGHT_PLUGIN([0.1])               my_plugin_la_LDFLAGS = $(CARTWRIGHT_PLUGIN_LDFLAGS)
#   AC_CONFIG_FILES([Makefile])            my_plugin_la_LIBADD = $(CARTWRIGHT_LIBS)
#   AC_OUTPUT
#
# Without IF-NOT-FOUND a missing Cartwright ends configure with pkg-config's reason.
AC_DEFUN([CARTWRIGHT_PLUGIN],
[AC_REQUIRE([PKG_PROG_PKG_CONFIG])
PKG_CHECK_MODULES([CARTWRIGHT], [cartwright]m4_ifval([$1], [ >= $1]),
  [PKG_CHECK_VAR([CARTWRIGHT_PLUGIN_DIR], [cartwright], [plugindir])
   PKG_CHECK_VAR([CARTWRIGHT_ABI_MAJOR], [cartwright], [abi_major])
   CARTWRIGHT_PLUGIN_LDFLAGS="-module -avoid-version -shared -no-undefined -Wl,-z,defs -export-symbols-regex '^cw_plugin_query\$\$'"
   AC_SUBST([CARTWRIGHT_PLUGIN_LDFLAGS])
   $2],
  m4_ifval([$3], [[$3]]))
])
