/* Decisions per second of the policy openai against a server that takes 50 ms for each answer: what is left
 * of the most that is possible, slots / 50 ms. The server is a process of its own, one thread over poll.
 *
 *   make bench/bench_openai && bench/bench_openai [SLOTS [MILLISECONDS]] */
#include "conformance/check_suite.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST    1024
#define SECONDS 5

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n"
                            "{\"choices\":[{\"message\":{\"content\":\"2\"}}]} ";

typedef struct {
  gint64 due; /* when the answer is to be sent; 0: nothing was asked */
  gsize n;
  char text[16384];
} Client;

/* Whether a whole request has come: its head, and as many bytes behind it as the head says. */
static gboolean is_whole(const Client *client)
{
  const char *body = g_strstr_len(client->text, (gssize)client->n, "\r\n\r\n");
  const char *length = g_strstr_len(client->text, (gssize)client->n, "Content-Length: ");
  return body && length &&
         client->n >=
             (gsize)(body + 4 - client->text) + strtoul(length + strlen("Content-Length: "), NULL, 10);
}

static void serve(int listener, gint64 delay)
{
  static struct pollfd fds[MOST + 1];
  static Client clients[MOST + 1];
  guint n = 1;
  fds[0] = (struct pollfd){listener, POLLIN, 0};
  for (;;) {
    gint64 now = g_get_monotonic_time(), next = now + G_USEC_PER_SEC;
    for (guint i = 1; i < n; i++) {
      if (clients[i].due && clients[i].due <= now) {
        if (write(fds[i].fd, reply, sizeof reply - 1) < 0)
          return;
        clients[i] = (Client){0};
      } else if (clients[i].due)
        next = MIN(next, clients[i].due);
    }
    poll(fds, n, (int)((next - now + 999) / 1000));
    if (fds[0].revents && n <= MOST)
      fds[n++] = (struct pollfd){accept(listener, NULL, NULL), POLLIN, 0};
    for (guint i = 1; i < n; i++) {
      gssize got = fds[i].revents ? read(fds[i].fd, clients[i].text + clients[i].n,
                                         sizeof clients[i].text - clients[i].n)
                                  : 0;
      clients[i].n += got > 0 ? (gsize)got : 0;
      if (fds[i].revents && got <= 0)
        fds[i].events = 0; /* gone */
      else if (got > 0 && is_whole(&clients[i]))
        clients[i].due = g_get_monotonic_time() + delay;
    }
  }
}

static guint listen_anywhere(int *listener)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  *listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(*listener, (struct sockaddr *)&address, size) != 0 || listen(*listener, MOST) != 0 ||
      getsockname(*listener, (struct sockaddr *)&address, &size) != 0)
    return 0;
  return ntohs(address.sin_port);
}

static char *processor(void)
{
  g_autofree char *text = NULL;
  g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL);
  const char *name = text ? strstr(text, "model name") : NULL;
  name = name ? strchr(name, ':') + 2 : "unknown";
  return g_strndup(name, strcspn(name, "\n"));
}

static guint64 act_for(CwPolicy *policy, guint slots, double *seconds)
{
  static const char *const candidates[] = {"click[a]", "click[b]", "click[buy now]"};
  const CwActing how = {.struct_size = sizeof how, .temperature = 1};
  g_autofree CwDecision *decisions = g_new0(CwDecision, slots);
  g_autofree const CwDecision **pointers = g_new(const CwDecision *, slots);
  g_autofree CwRandom **random = g_new(CwRandom *, slots);
  g_autofree CwAct *acts = g_new(CwAct, slots);
  for (guint i = 0; i < slots; i++) {
    decisions[i] = (CwDecision){.struct_size = sizeof(CwDecision),
                                .observation = "a page of a shop",
                                .candidates = candidates,
                                .n_candidates = 3,
                                .instruction = "red shoes"};
    pointers[i] = &decisions[i];
    random[i] = cw_random_new(1, "bench", i, 0);
  }
  guint64 n = 0;
  gint64 start = g_get_monotonic_time();
  do {
    g_autoptr(GError) error = NULL;
    if (!cw_policy_act(policy, pointers, slots, random, &how, acts, &error)) {
      fprintf(stderr, "%s\n", error->message);
      exit(1);
    }
    n += slots;
    *seconds = (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
  } while (*seconds < SECONDS);
  for (guint i = 0; i < slots; i++)
    cw_random_free(random[i]);
  return n;
}

int main(int argc, char **argv)
{
  guint slots = argc > 1 ? (guint)atoi(argv[1]) : 64;
  gint64 delay = argc > 2 ? atoi(argv[2]) : 50;
  int listener;
  guint port = listen_anywhere(&listener);
  pid_t server = fork();
  if (server == 0) {
    serve(listener, delay * 1000);
    return 1;
  }
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  CwRegistry *registry = cw_registry_new(NULL);
  g_autoptr(GError) error = NULL;
  const CwRegisteredFeature *feature = cw_registry_find(registry, CW_FEATURE_POLICY, "openai", &error);
  g_autofree char *yaml = g_strdup_printf(
      "{model: bench, url: 'http://127.0.0.1:%u/v1', cache: none, concurrency: %u}", port, slots);
  gpointer options = feature ? cw_check_fill_options(feature, yaml, "options", NULL, &error) : NULL;
  CwPolicy *policy = options ? cw_policy_open(feature, options, 1, &error) : NULL;
  if (policy) {
    double seconds;
    guint64 n = act_for(policy, slots, &seconds);
    g_autofree char *name = processor();
    printf("%u slots, answers after %" G_GINT64_FORMAT " ms: %.0f decisions/s of %.0f possible (%s)\n", slots,
           delay, (double)n / seconds, slots * 1000.0 / (double)delay, name);
  } else
    fprintf(stderr, "%s\n", error->message);
  kill(server, SIGTERM);
  waitpid(server, NULL, 0);
  cw_policy_close(policy);
  if (options)
    cw_options_free(&feature->options, options);
  cw_registry_free(registry);
  return !policy;
}
