/* Shop files: what was written is read back, and every kind of damage is refused by the file's name before
 * anything is read from it. */
#include "envs/shop/file/file_private.h"

#include <cartwright/checksum.h>
#include <cartwright/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

typedef struct {
  char *folder, *path;
  guint8 *bytes; /* of a sound file */
  gsize length;
} Scratch;

static void check(gboolean good, GError *error)
{
  if (!good)
    fail_msg("%s", error->message);
}

/* Three arrays: numbers, none, and text over more than two blocks. */
static void write_sound(const char *path)
{
  static const guint32 numbers[] = {7, 8, 9, 10, 11};
  const ShopArray some = {"numbers", numbers, sizeof *numbers, G_N_ELEMENTS(numbers)};
  const ShopArray none = {"none", NULL, 24, 0};
  GError *error = NULL;
  ShopFileWriter *writer = shop_file_writer_new(path, &error);
  check(writer != NULL, error);
  check(shop_file_writer_add(writer, &some, &error), error);
  check(shop_file_writer_add(writer, &none, &error), error);
  check(shop_file_writer_begin(writer, "text", 1, &error), error);
  for (guint i = 0; i < 300000; i++) {
    g_autofree char *word = g_strdup_printf("%07u ", i);
    check(shop_file_writer_append(writer, word, 8, &error), error);
  }
  check(shop_file_writer_end(writer, &error), error);
  check(shop_file_writer_finish(writer, &error), error);
  shop_file_writer_free(writer);
}

static int set_up(void **state)
{
  Scratch *scratch = g_new0(Scratch, 1);
  scratch->folder = g_dir_make_tmp("cartwright-shop-XXXXXX", NULL);
  scratch->path = g_build_filename(scratch->folder, "test.cwshop", NULL);
  write_sound(scratch->path);
  g_file_get_contents(scratch->path, (char **)&scratch->bytes, &scratch->length, NULL);
  *state = scratch;
  return 0;
}

static int tear_down(void **state)
{
  Scratch *scratch = *state;
  g_unlink(scratch->path);
  g_rmdir(scratch->folder);
  g_free(scratch->folder);
  g_free(scratch->path);
  g_free(scratch->bytes);
  g_free(scratch);
  return 0;
}

static void put(const Scratch *scratch, const void *bytes, gsize length)
{
  assert_true(g_file_set_contents(scratch->path, bytes, (gssize)length, NULL));
}

/* The file must be refused with a message that starts with its name. */
static GError *refused(const Scratch *scratch, ShopFileVerify verify)
{
  GError *error = NULL;
  ShopFile *file = shop_file_open(scratch->path, verify, &error);
  if (file) {
    shop_file_remember(file);
    shop_file_close(file);
    return NULL;
  }
  assert_non_null(error);
  assert_true(g_str_has_prefix(error->message, scratch->path));
  return error;
}

static void assert_refused(const Scratch *scratch, const char *message)
{
  GError *error = refused(scratch, SHOP_FILE_VERIFY_HEADER);
  assert_non_null(error);
  assert_string_equal(error->message + strlen(scratch->path) + 2, message);
  g_error_free(error);
}

/* Bytes of files that count as this process's memory. */
static gsize resident_of_files(void)
{
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
  char **words = g_strsplit(text, " ", -1);
  gsize pages = g_ascii_strtoull(words[2], NULL, 10);
  g_strfreev(words);
  return pages * (gsize)sysconf(_SC_PAGESIZE);
}

static void test_arrays_are_read_back(void **state)
{
  const Scratch *scratch = *state;
  GError *error = NULL;
  ShopArray array;
  ShopFile *file = shop_file_open(scratch->path, SHOP_FILE_VERIFY_ALWAYS, &error);
  check(file != NULL, error);
  check(shop_file_find(file, "numbers", 4, &array, &error), error);
  assert_int_equal(array.n_elements, 5);
  assert_int_equal(((const guint32 *)array.elements)[4], 11);
  assert_int_equal((gsize)array.elements % 64, 0);
  check(shop_file_find(file, "none", 24, &array, &error), error);
  assert_int_equal(array.n_elements, 0);
  check(shop_file_find(file, "text", 1, &array, &error), error);
  assert_int_equal(array.n_elements, 8 * 300000);
  assert_memory_equal((const char *)array.elements + 8 * 299999, "0299999 ", 8);
  assert_true(shop_file_has(file, "none"));
  assert_false(shop_file_has(file, "nothing"));
  shop_file_close(file);
}

#define BOUND ((gsize)8 << 20)

/* A file large enough to be mapped, looked at from end to end between trims. */
static void test_trimming_keeps_the_contents(void **state)
{
  const Scratch *scratch = *state;
  GError *error = NULL;
  ShopArray array;
  g_unlink(scratch->path);
  ShopFileWriter *writer = shop_file_writer_new(scratch->path, &error);
  check(writer != NULL, error);
  check(shop_file_writer_begin(writer, "numbers", sizeof(guint32), &error), error);
  guint32 n = (guint32)(SHOP_FILE_COPIED / sizeof(guint32)) * 3 / 2, next = 0;
  g_autofree guint32 *piece = g_new(guint32, 1 << 16);
  while (next < n) {
    guint32 count = MIN(n - next, 1 << 16);
    for (guint32 i = 0; i < count; i++)
      piece[i] = next++ * 2654435761u;
    check(shop_file_writer_append(writer, piece, count * sizeof *piece, &error), error);
  }
  check(shop_file_writer_end(writer, &error), error);
  check(shop_file_writer_finish(writer, &error), error);
  shop_file_writer_free(writer);
  ShopFile *file = shop_file_open(scratch->path, SHOP_FILE_VERIFY_HEADER, &error);
  check(file && shop_file_find(file, "numbers", sizeof(guint32), &array, &error), error);
  const guint32 *numbers = array.elements;
  shop_file_bound(file, BOUND);
  for (guint round = 0; round < 2; round++) {
    for (guint32 i = 0; i < n; i++)
      if (numbers[i] != i * 2654435761u)
        fail_msg("number %u is %u", i, numbers[i]);
    gsize before = resident_of_files();
    shop_file_trim(file);
    assert_true(before - resident_of_files() > BOUND);
  }
  shop_file_bound(file, 0);
  guint32 sum = 0;
  for (guint32 i = 0; i < n; i++)
    sum += numbers[i];
  gsize before = resident_of_files();
  shop_file_trim(file);
  assert_true(sum != 1 && before - resident_of_files() < BOUND / 2); /* without a bound the kernel decides */
  shop_file_close(file);
}

/* A small file is copied: later changes do not reach who has opened it. A large one is mapped, and whoever
 * begins to write to it is noticed. Another process writes, as a lease binds only others. */
static void test_a_change_while_the_file_is_in_use_is_noticed(void **state)
{
  const Scratch *scratch = *state;
  GError *error = NULL;
  for (guint large = 0; large < 2; large++) {
    g_unlink(scratch->path);
    ShopFileWriter *writer = shop_file_writer_new(scratch->path, &error);
    gsize n = large ? SHOP_FILE_COPIED + 1 : 1000;
    g_autofree char *bytes = g_malloc0(n);
    const ShopArray zeros = {"zeros", bytes, 1, n};
    ShopArray array;
    check(writer && shop_file_writer_add(writer, &zeros, &error) && shop_file_writer_finish(writer, &error),
          error);
    shop_file_writer_free(writer);
    ShopFile *file = shop_file_open(scratch->path, SHOP_FILE_VERIFY_HEADER, &error);
    check(file && shop_file_find(file, "zeros", 1, &array, &error), error);
    check(shop_file_check(file, &error), error);
    pid_t child = fork();
    if (child == 0) {
      int descriptor = open(scratch->path, O_WRONLY | O_NONBLOCK);
      _exit(descriptor >= 0 && ftruncate(descriptor, 100) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(shop_file_check(file, &error), !large);
    if (large) {
      assert_string_equal(
          error->message + strlen(scratch->path),
          ": somebody began to change it while it was in use; start again when it is complete, and "
          "replace a shop file by renaming the new one over it");
      g_clear_error(&error);
    } else {
      assert_int_equal(((const char *)array.elements)[999], 0);
    }
    shop_file_close(file);
  }
}

static void test_absent_array_and_other_elements_are_refused(void **state)
{
  const Scratch *scratch = *state;
  GError *error = NULL;
  ShopArray array;
  ShopFile *file = shop_file_open(scratch->path, SHOP_FILE_VERIFY_HEADER, &error);
  check(file != NULL, error);
  assert_false(shop_file_find(file, "number", 4, &array, &error));
  assert_string_equal(error->message, "holds no array 'number'; make it again with 'cartwright import'");
  g_clear_error(&error);
  assert_false(shop_file_find(file, "numbers", 8, &array, &error));
  assert_string_equal(
      error->message,
      "array 'numbers' has elements of 4 bytes, expected 8; make it again with 'cartwright import'");
  g_clear_error(&error);
  shop_file_close(file);
}

/* Every byte of header, table and checksums, and many of the contents. */
static void test_flipped_bytes_are_refused(void **state)
{
  const Scratch *scratch = *state;
  const ShopFileHeader *header = (const ShopFileHeader *)(gconstpointer)scratch->bytes;
  g_autofree guint8 *copy = g_memdup2(scratch->bytes, scratch->length);
  guint n_tried = 0;
  for (gsize i = 0; i < scratch->length;) {
    copy[i] ^= 0x10;
    put(scratch, copy, scratch->length);
    GError *error = refused(scratch, SHOP_FILE_VERIFY_ALWAYS);
    if (!error)
      fail_msg("byte %" G_GSIZE_FORMAT " was flipped without notice", i);
    g_error_free(error);
    copy[i] ^= 0x10;
    n_tried++;
    i = i < 130 || i >= header->table ? i + 1 : MIN(i + 104729, header->table);
  }
  assert_true(n_tried > 300);
}

static void test_truncated_files_are_refused(void **state)
{
  const Scratch *scratch = *state;
  for (gsize length = 0; length < scratch->length; length += length < 80 ? 1 : 99991) {
    put(scratch, scratch->bytes, length);
    GError *error = refused(scratch, SHOP_FILE_VERIFY_HEADER);
    if (!error)
      fail_msg("truncated to %" G_GSIZE_FORMAT " bytes without notice", length);
    g_error_free(error);
  }
  put(scratch, scratch->bytes, scratch->length - 1);
  g_autofree char *message =
      g_strdup_printf("is truncated: expected %" G_GSIZE_FORMAT " bytes, found %" G_GSIZE_FORMAT
                      "; copy it again, or make it again with 'cartwright import'",
                      scratch->length, scratch->length - 1);
  assert_refused(scratch, message);
}

static void test_other_files_are_refused(void **state)
{
  const Scratch *scratch = *state;
  put(scratch, "", 0);
  assert_refused(
      scratch, "expected a shop file, found an empty file; copy it again, or make it again with 'cartwright "
               "import'");
  put(scratch, "[\n{\"asin\": \"B000000001\"}]\n", 26);
  assert_refused(
      scratch, "expected a shop file made by 'cartwright import', found something else, or one whose import "
               "did not finish");
  g_autofree guint8 *longer = g_malloc0(scratch->length + 1);
  memcpy(longer, scratch->bytes, scratch->length);
  put(scratch, longer, scratch->length + 1);
  g_autofree char *message =
      g_strdup_printf("is too long: expected %" G_GSIZE_FORMAT " bytes, found %" G_GSIZE_FORMAT
                      "; copy it again, or make it again with 'cartwright import'",
                      scratch->length, scratch->length + 1);
  assert_refused(scratch, message);
  g_unlink(scratch->path);
  assert_refused(scratch, "cannot be opened: No such file or directory");
  assert_int_equal(mkfifo(scratch->path, 0600), 0);
  assert_refused(scratch, "expected a shop file, found something that is no regular file");
}

/* Puts a header with the right checksum over the sound file. */
static void put_header(const Scratch *scratch, ShopFileHeader header)
{
  g_autofree guint8 *copy = g_memdup2(scratch->bytes, scratch->length);
  header.crc = cw_crc32c(0, &header, offsetof(ShopFileHeader, crc));
  memcpy(copy, &header, sizeof header);
  put(scratch, copy, scratch->length);
}

static void test_other_versions_and_byte_orders_are_refused(void **state)
{
  const Scratch *scratch = *state;
  ShopFileHeader header;
  memcpy(&header, scratch->bytes, sizeof header);
  header.version = SHOP_FILE_VERSION + 1;
  put_header(scratch, header);
  g_autofree char *message = g_strdup_printf("is a shop file of version %d, and this Cartwright reads "
                                             "version %d; make it again with 'cartwright import'",
                                             SHOP_FILE_VERSION + 1, SHOP_FILE_VERSION);
  assert_refused(scratch, message);
  memcpy(&header, scratch->bytes, sizeof header);
  header.order = GUINT32_SWAP_LE_BE(header.order);
  put_header(scratch, header);
  assert_refused(scratch,
                 "was made on a machine of the other byte order; make it again on this one with 'cartwright "
                 "import'");
}

/* Headers and tables that lie, with checksums that agree with the lie. */
static void test_lying_tables_are_refused(void **state)
{
  const Scratch *scratch = *state;
  static const char wrong[] =
      "is corrupted: its table of arrays is wrong; copy it again, or make it again with "
      "'cartwright import'";
  ShopFileHeader sound, header;
  memcpy(&sound, scratch->bytes, sizeof sound);
  for (guint lie = 0; lie < 5; lie++) {
    header = sound;
    header.table = lie == 0 ? 0 : lie == 1 ? G_MAXUINT64 - 63 : header.table;
    header.n_arrays = lie == 2 ? G_MAXUINT32 : header.n_arrays;
    header.n_blocks += lie == 3;
    header.table_crc += lie == 4;
    put_header(scratch, header);
    assert_refused(scratch, wrong);
  }
  for (guint lie = 0; lie < 6; lie++) {
    g_autofree guint8 *copy = g_memdup2(scratch->bytes, scratch->length);
    ShopFileEntry *entry = (ShopFileEntry *)(gpointer)(copy + sound.table);
    header = sound;
    if (lie == 0)
      memset(entry->name, 'a', sizeof entry->name);
    else if (lie == 1)
      entry->position = sound.table + 64;
    else if (lie == 2)
      entry->position += 4;
    else if (lie == 3)
      entry->n_elements = G_MAXUINT64;
    else if (lie == 4)
      entry->element_size = 0;
    else
      entry->position = 0;
    header.table_crc = cw_crc32c(0, copy + sound.table, scratch->length - sound.table);
    header.crc = cw_crc32c(0, &header, offsetof(ShopFileHeader, crc));
    memcpy(copy, &header, sizeof header);
    put(scratch, copy, scratch->length);
    assert_refused(scratch, wrong);
  }
}

static void test_damage_is_located(void **state)
{
  const Scratch *scratch = *state;
  g_autofree guint8 *copy = g_memdup2(scratch->bytes, scratch->length);
  copy[2000000] ^= 1;
  put(scratch, copy, scratch->length);
  GError *error = refused(scratch, SHOP_FILE_VERIFY_ALWAYS);
  assert_non_null(error);
  assert_string_equal(
      error->message + strlen(scratch->path),
      ": is corrupted: the checksum of bytes 1048640 to 2097215 is wrong (in: text); copy it again, or "
      "make it again with 'cartwright import'");
  g_error_free(error);
  error = refused(scratch, SHOP_FILE_VERIFY_HEADER);
  assert_null(error);
}

/* A verified file is not read again, until it changes. */
static void test_a_verified_file_is_remembered_until_it_changes(void **state)
{
  const Scratch *scratch = *state;
  GError *error;
  g_usleep(2100000); /* a file that was only just changed is not remembered */
  assert_null(refused(scratch, SHOP_FILE_VERIFY_ONCE));
  g_autofree char *verified = g_build_filename(g_get_user_cache_dir(), "cartwright", "verified", NULL);
  GDir *stamps = g_dir_open(verified, 0, NULL);
  assert_non_null(stamps);
  g_autofree char *stamp = g_build_filename(verified, g_dir_read_name(stamps), NULL);
  g_dir_close(stamps);
  assert_null(refused(scratch, SHOP_FILE_VERIFY_ONCE));
  struct stat before;
  assert_int_equal(stat(scratch->path, &before), 0);
  FILE *file = fopen(scratch->path, "r+b");
  assert_int_equal(fseek(file, 1000, SEEK_SET), 0);
  fputc(scratch->bytes[1000] ^ 1, file);
  fclose(file);
  /* Hiding the change behind the old time of modification does not help. */
  struct utimbuf times = {before.st_atime, before.st_mtime};
  assert_int_equal(utime(scratch->path, &times), 0);
  error = refused(scratch, SHOP_FILE_VERIFY_ONCE);
  assert_non_null(error);
  g_error_free(error);
  assert_int_equal(g_unlink(stamp), 0);
  g_rmdir(verified);
}

static void test_an_unfinished_file_is_no_shop_file(void **state)
{
  const Scratch *scratch = *state;
  GError *error = NULL;
  g_unlink(scratch->path);
  ShopFileWriter *writer = shop_file_writer_new(scratch->path, &error);
  check(writer != NULL, error);
  check(shop_file_writer_begin(writer, "text", 1, &error), error);
  check(shop_file_writer_append(writer, "abc", 3, &error), error);
  shop_file_writer_free(writer);
  assert_refused(
      scratch, "expected a shop file made by 'cartwright import', found something else, or one whose import "
               "did not finish");
  assert_null(shop_file_writer_new(scratch->path, &error));
  g_autofree char *message = g_strdup_printf("%s: cannot be made: File exists", scratch->path);
  assert_string_equal(error->message, message);
  g_error_free(error);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_arrays_are_read_back, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_trimming_keeps_the_contents, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_change_while_the_file_is_in_use_is_noticed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_absent_array_and_other_elements_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_flipped_bytes_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_truncated_files_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_other_files_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_other_versions_and_byte_orders_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_lying_tables_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_damage_is_located, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_verified_file_is_remembered_until_it_changes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_an_unfinished_file_is_no_shop_file, set_up, tear_down),
  };
  char cache[] = "/tmp/cartwright-cache-XXXXXX";
  if (!g_mkdtemp(cache))
    return 99;
  g_setenv("XDG_CACHE_HOME", cache, TRUE);
  int status = cmocka_run_group_tests_name("file", tests, NULL, NULL);
  g_autofree char *own = g_build_filename(cache, "cartwright", NULL);
  g_autofree char *verified = g_build_filename(own, "verified", NULL);
  g_rmdir(verified);
  g_rmdir(own);
  g_rmdir(cache);
  return status;
}
