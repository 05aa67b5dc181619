/* Loaded into a process (LD_PRELOAD), it writes down what a disk would keep if power were lost: the content
 * of a file at its last fsync, and the names in a folder at the folder's. Only paths under $POWER_ROOT count;
 * the notes are files in $POWER_NOTES, named after inodes: data-INODE   content of a file names-INODE  a line
 * "INODE NAME" for each name in a folder What is there when the process starts is on the disk already. With
 * $POWER_STOP=N the process is killed at its N-th fsync, just after it. Nothing is synced in truth. Noted
 * inodes are kept open (O_PATH), so that their numbers mean one file for as long as the process lives. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((visibility("default"))) int fsync(int fd);
__attribute__((visibility("default"))) int fdatasync(int fd);

static char root[4096], notes[4096];
static long stop;

static void pin(const char *path)
{
  int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  (void)fd;
}

/* Opens a note aside; close_note gives it its name, so that a kill leaves the old one or the new one. */
static FILE *open_note(void)
{
  char path[5000];
  snprintf(path, sizeof path, "%s/new", notes);
  return fopen(path, "we");
}

static void close_note(FILE *note, const char *kind, ino_t inode)
{
  char from[5000], to[5000];
  snprintf(from, sizeof from, "%s/new", notes);
  snprintf(to, sizeof to, "%s/%s-%lu", notes, kind, (unsigned long)inode);
  fclose(note);
  rename(from, to);
}

static void note_file(const char *path, ino_t inode)
{
  char buffer[65536];
  FILE *note = open_note();
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (!note || fd < 0)
    abort();
  for (ssize_t length; (length = read(fd, buffer, sizeof buffer)) > 0;)
    fwrite(buffer, 1, (size_t)length, note);
  close(fd);
  close_note(note, "data", inode);
}

static void note_names(const char *path, ino_t inode)
{
  FILE *note = open_note();
  DIR *directory = opendir(path);
  if (!note || !directory)
    abort();
  for (struct dirent *entry; (entry = readdir(directory));) {
    char child[5000];
    snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    fprintf(note, "%lu %c %s\n", (unsigned long)entry->d_ino, entry->d_type == DT_DIR ? 'd' : 'f',
            entry->d_name);
    pin(child);
  }
  closedir(directory);
  close_note(note, "names", inode);
}

static int is_noted(const char *path)
{
  size_t length = strlen(root);
  return stop >= 0 && strncmp(path, root, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static void note(const char *path)
{
  struct stat status;
  if (!is_noted(path) || lstat(path, &status) != 0)
    return;
  pin(path);
  if (S_ISREG(status.st_mode))
    note_file(path, status.st_ino);
  else if (S_ISDIR(status.st_mode))
    note_names(path, status.st_ino);
}

static void note_tree(const char *path)
{
  note(path);
  DIR *directory = opendir(path);
  if (!directory)
    return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char child[5000];
    snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      note_tree(child);
  }
  closedir(directory);
}

__attribute__((constructor)) static void begin(void)
{
  const char *where = getenv("POWER_ROOT"), *into = getenv("POWER_NOTES"), *at = getenv("POWER_STOP");
  stop = -1;
  if (!where || !into)
    return;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  snprintf(root, sizeof root, "%s", where);
  snprintf(notes, sizeof notes, "%s", into);
  stop = at ? atol(at) : 0;
  unsetenv("POWER_ROOT"); /* children are not of interest */
  note_tree(root);
  close_note(open_note(), "ready", 0);
}

int fsync(int fd)
{
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0)
    return -1;
  path[length] = '\0';
  if (!is_noted(path))
    return 0;
  note(path);
  if (stop > 0 && --stop == 0)
    raise(SIGKILL);
  return 0;
}

int fdatasync(int fd)
{
  return fsync(fd);
}
