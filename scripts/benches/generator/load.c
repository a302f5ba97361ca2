/* The load of benches: `load --help`.
 *
 * A generator that sleeps wakes up late and finds more at once, and so lets a server work in larger
 * portions than clients would. So this one asks the kernel again and again, and wants a core of its
 * own; `working` says which part of the time it had something to do. Near 1, it is the limit. */

#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "broken.h"
#include "clock.h"
#include "options.h"
#include "workload.h"

enum { CONNECTING_AT_ONCE = 64, IDLE_LOOK_MS = 50 };
#define CONNECTED_WITHIN (180 * SECOND)

static struct client *clients;

/* What was counted at a moment. */
struct moment {
    uint64_t ns;
    double server_s;
    struct tally tally;
};

static struct moment moment_now(void)
{
    return (struct moment){now_ns(), processes_cpu_s(&options.server), tally};
}

/* ---- coming in */

/* Read who the clients are: see --people. */
static void read_people(void)
{
    FILE *file = fopen(options.people, "r");
    if (file == NULL)
        broken("%s can't be read", options.people);
    for (int i = 0; i < options.clients; i++) {
        char *line = NULL;
        size_t room = 0;
        if (getline(&line, &room, file) < 0)
            broken("%s has %d lines only", options.people, i);
        char *rest = line;
        clients[i].auth = strsep(&rest, "\t\n");
        const char *battle = strsep(&rest, "\n");
        if (battle != NULL && *battle != '\0')
            clients[i].battle = battle;
        else if (options.workload == STRIKES)
            broken("client %d has no battle", i);
    }
    fclose(file);
}

static const char *room_of(const struct client *client)
{
    char *room;
    int size;
    if (client->battle != NULL)
        size = asprintf(&room, "battle:%s", client->battle);
    else if (options.people != NULL)
        size = asprintf(&room, "battles");
    else if (options.workload == ROOMS)
        size = asprintf(&room, "r%d", client->number / options.room_size);
    else
        size = asprintf(&room, "all");
    if (size < 0)
        abort();
    return room;
}

static void prepare_clients(void)
{
    clients = calloc((size_t)options.clients, sizeof *clients);
    if (clients == NULL)
        abort();
    for (int i = 0; i < options.clients; i++) {
        clients[i].number = i;
        clients[i].auth = "";
    }
    if (options.people != NULL)
        read_people();
    for (int i = 0; i < options.clients; i++) {
        clients[i].room = room_of(&clients[i]);
        workload_prepare(&clients[i]);
    }
}

static void connect_clients(void)
{
    uint64_t end = now_ns() + CONNECTED_WITHIN;
    int begun = 0;
    while (tally.ready < options.clients) {
        while (begun < options.clients && begun - tally.ready < CONNECTING_AT_ONCE)
            wire_open(&clients[begun++].wire);
        wires_look(IDLE_LOOK_MS);
        if (now_ns() > end)
            broken("%d of %d clients came in", tally.ready, options.clients);
    }
}

/* ---- the load */

/* Send all that is due at a rate. */
static void send_due(uint64_t *due_ns)
{
    static uint64_t number;
    for (; *due_ns <= now_ns(); *due_ns += (uint64_t)((double)SECOND / options.rate)) {
        if (options.workload == BROADCAST) {
            send_broadcast(clients, *due_ns);
            continue;
        }
        struct client *client = &clients[number++ % (uint64_t)options.clients];
        send_request(client, (int)(client->sent % (uint64_t)options.window), *due_ns);
    }
}

/* Send broadcasts until as many are under way as may be. */
static void fill_window(void)
{
    while (tally.sent - tally.told / (uint64_t)options.clients < (uint64_t)options.window)
        send_broadcast(clients, now_ns());
}

static void begin_requests(void)
{
    for (int i = 0; i < options.clients; i++)
        for (int slot = 0; slot < options.window; slot++)
            send_request(&clients[i], slot, now_ns());
}

/* Make load until a moment. Returns the nanoseconds in which there was nothing to do. */
static uint64_t load_until(uint64_t end_ns, uint64_t *due_ns)
{
    uint64_t idle_ns = 0;
    uint64_t looked = now_ns();
    for (uint64_t now = looked; now < end_ns; now = now_ns()) {
        if (options.rate > 0)
            send_due(due_ns);
        else if (options.workload == BROADCAST)
            fill_window();
        bool found = wires_look(0);
        uint64_t then = now_ns();
        if (!found)
            idle_ns += then - looked;
        looked = then;
    }
    return idle_ns;
}

/* Wait for all that is still to come. */
static void settle(void)
{
    going_on = false;
    uint64_t end = now_ns() + (uint64_t)(options.patience_s * (double)SECOND);
    while (tally.answered < answers_due() || tally.told < events_due()) {
        wires_look(IDLE_LOOK_MS);
        if (now_ns() > end)
            broken("%" PRIu64 " answers and %" PRIu64 " events did not come",
                   answers_due() - tally.answered, events_due() - tally.told);
    }
    if (tally.told > events_due())
        broken("%" PRIu64 " events came too many", tally.told - events_due());
}

static void measure(void)
{
    uint64_t due_ns = now_ns();
    going_on = options.rate == 0;
    if (options.rate == 0 && options.workload != BROADCAST)
        begin_requests();
    load_until(now_ns() + (uint64_t)(options.warm_up_s * (double)SECOND), &due_ns);
    struct moment begin = moment_now();
    measuring = true;
    uint64_t idle_ns =
        load_until(begin.ns + (uint64_t)(options.seconds * (double)SECOND), &due_ns);
    struct moment end = moment_now();
    settle(); /* the latest of all come then, and are measured too */

    double took_ns = (double)(end.ns - begin.ns);
    printf("{\"seconds\":%.3f,\"server_s\":%.6f,\"working\":%.3f,"
           "\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"told\":%" PRIu64
           ",\"answered_in_all\":%" PRIu64 ",\"told_in_all\":%" PRIu64 ","
           "\"answer_p50_ms\":%.4f,\"answer_p99_ms\":%.4f,"
           "\"told_p50_ms\":%.4f,\"told_p99_ms\":%.4f}\n",
           took_ns / (double)SECOND, end.server_s - begin.server_s,
           1 - (double)idle_ns / took_ns, end.tally.sent - begin.tally.sent,
           end.tally.answered - begin.tally.answered, end.tally.told - begin.tally.told,
           tally.answered, tally.told, histogram_ms(&answer_times, 0.50),
           histogram_ms(&answer_times, 0.99), histogram_ms(&told_times, 0.50),
           histogram_ms(&told_times, 0.99));
}

/* Be there, and send nothing. */
static void hold(long long memory_before)
{
    uint64_t end = now_ns() + (uint64_t)(options.seconds * (double)SECOND);
    double server_s = processes_cpu_s(&options.server);
    while (now_ns() < end)
        wires_look(IDLE_LOOK_MS);
    long long memory = processes_memory(&options.server);
    printf("{\"seconds\":%.3f,\"server_s\":%.6f,\"memory_before\":%lld,\"memory\":%lld,"
           "\"bytes_each\":%.0f}\n",
           options.seconds, processes_cpu_s(&options.server) - server_s, memory_before, memory,
           (double)(memory - memory_before) / options.clients);
}

/* Let as many sockets be open as the system lets us. */
static void raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int count, char **words)
{
    options_read(count, words);
    raise_limit();
    wires_to(options.host, options.port);
    prepare_clients();
    long long memory = processes_memory(&options.server);
    connect_clients();
    if (options.workload == IDLE)
        hold(memory);
    else
        measure();
    return 0;
}
