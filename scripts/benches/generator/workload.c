#define _GNU_SOURCE
#include "workload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broken.h"
#include "chance.h"
#include "clock.h"
#include "options.h"

struct tally tally;
struct histogram answer_times, told_times;
bool measuring, going_on;

/* ---- reading */

/* The number behind a key, with or without quotes; -1 where there is none. */
static int64_t number_at(const char *key_at, const char *key)
{
    if (key_at == NULL)
        return -1;
    const char *at = key_at + strlen(key);
    at += strspn(at, " \"");
    return strtoll(at, NULL, 10);
}

static int64_t first_number(const char *text, const char *key)
{
    return number_at(strstr(text, key), key);
}

static int64_t last_number(const char *text, size_t size, const char *key)
{
    size_t long_ = strlen(key);
    for (const char *at = text + size - long_; at >= text; at--)
        if (memcmp(at, key, long_) == 0)
            return number_at(at, key);
    return -1;
}

static bool begins(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool is_ok(const char *answer)
{
    static const char key[] = "\"ok\":";
    const char *at = strstr(answer, key);
    if (at == NULL)
        return false;
    at += strlen(key);
    return begins(at + strspn(at, " "), "true");
}

/* ---- coming in */

void workload_prepare(struct client *client)
{
    client->seq = -1;
    client->requests = calloc((size_t)options.window, sizeof *client->requests);
    if (client->requests == NULL)
        abort();
    for (int slot = 0; slot < options.window; slot++)
        client->requests[slot].id = (uint64_t)slot;
}

/* A UUIDv7 (RFC 9562, 5.7): made later, sorted later. */
static void add_request_id(struct text *text)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    uint64_t ms = (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / MS;
    uint64_t more = chance();
    text_print(text, "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
               ms >> 16, ms & 0xffff, more & 0xfff, 0x8000 | (more >> 12 & 0x3fff),
               chance() >> 16);
}

static void ask_to_join(struct client *client)
{
    static struct text data;
    data.size = 0;
    text_print(&data, "{\"room\":\"%s\"}", client->room);
    client_emit(client, 1, options.people == NULL ? "join" : "rooms.join", data.bytes, data.size);
}

static void ask_for_a_seat(struct client *client)
{
    static struct text data;
    data.size = 0;
    text_print(&data, "{\"battle_id\":\"%s\",\"request_id\":\"", client->battle);
    add_request_id(&data);
    text_add(&data, "\"}", 2);
    client_emit(client, 1, "battles.join", data.bytes, data.size);
}

void client_on_connected(struct client *client)
{
    if (client->battle != NULL)
        ask_for_a_seat(client);
    else
        ask_to_join(client);
}

static void on_joined(struct client *client, const char *answer)
{
    if (!is_ok(answer))
        broken("joining is answered with %s", answer);
    if (client->battle != NULL && !client->seated) {
        client->seated = true;
        ask_to_join(client);
        return;
    }
    if (options.workload == STRIKES)
        client->seq = first_number(answer, "\"seq\":");
    client->ready = true;
    tally.ready++;
}

/* ---- sending */

/* Close an object that began at `start`, and make it as long as asked for. */
static void close_object(struct text *data, size_t start)
{
    static const char pad[] = ",\"pad\":\"";
    size_t size = data->size - start + strlen(pad) + strlen("\"}");
    size_t more = size < (size_t)options.bytes ? (size_t)options.bytes - size : 0;
    text_add(data, pad, strlen(pad));
    memset(text_room(data, more), 'x', more);
    data->size += more;
    text_add(data, "\"}", 2);
}

static void add_state(struct text *data, uint64_t number, uint64_t due_ns)
{
    size_t start = data->size;
    text_print(data,
               "{\"t\":\"%016" PRIu64 "\",\"seq\":%" PRIu64
               ",\"type\":\"state\",\"battle\":\"b-1042\","
               "\"player\":{\"id\":\"p-77\",\"hp\":87,\"pos\":[12.5,-3.25,0.75]},"
               "\"fx\":[\"burn\",\"haste\"]",
               due_ns, number);
    close_object(data, start);
}

static void add_attack(struct text *data, const struct client *client, uint64_t id,
                       uint64_t due_ns)
{
    size_t start = data->size;
    text_print(data,
               "{\"t\":\"%016" PRIu64 "\",\"from\":%d,\"n\":%" PRIu64
               ",\"room\":\"%s\",\"battle_id\":\"%s\",\"enemy_id\":%d,\"kind\":\"longbow\","
               "\"request_id\":\"",
               due_ns, client->number, id, client->room, client->room, client->number % 3);
    add_request_id(data);
    text_add(data, "\"", 1);
    close_object(data, start);
}

static void add_strike(struct text *data, const struct client *client)
{
    text_print(data,
               "{\"battle_id\":\"%s\",\"enemy_id\":1,\"kind\":\"quick\",\"request_id\":\"",
               client->battle);
    add_request_id(data);
    text_add(data, "\"}", 2);
}

void send_broadcast(struct client *client, uint64_t due_ns)
{
    static struct text data;
    data.size = 0;
    text_print(&data, "{\"room\":\"%s\",\"msg\":", client->room);
    add_state(&data, tally.sent, due_ns);
    text_add(&data, "}", 1);
    client_emit(client, 0, "bcast", data.bytes, data.size);
    tally.sent++;
}

void send_request(struct client *client, int slot, uint64_t due_ns)
{
    static struct text data;
    struct request *request = &client->requests[slot];
    if (request->waiting)
        broken("the server is %d answers behind", options.window);
    request->id += (uint64_t)options.window;
    request->due_ns = due_ns;
    request->waiting = true;
    request->told = false;
    data.size = 0;
    const char *name = "echo";
    if (options.workload == ECHO) {
        add_state(&data, request->id, due_ns);
    } else if (options.workload == ROOMS) {
        name = "attack";
        add_attack(&data, client, request->id, due_ns);
    } else {
        name = "battles.attack";
        add_strike(&data, client);
    }
    client_emit(client, request->id, name, data.bytes, data.size);
    client->sent++;
    tally.sent++;
}

uint64_t answers_due(void)
{
    return options.workload == BROADCAST ? 0 : tally.sent;
}

uint64_t events_due(void)
{
    uint64_t listeners = options.workload == BROADCAST ? (uint64_t)options.clients
                         : options.workload == ECHO    ? 0
                                                       : (uint64_t)options.room_size;
    return tally.sent * listeners;
}

/* ---- what comes */

void client_on_answer(struct client *client, uint64_t id, const char *answer, size_t size)
{
    (void)size;
    if (!client->ready) {
        on_joined(client, answer);
        return;
    }
    int slot = (int)(id % (uint64_t)options.window);
    struct request *request = &client->requests[slot];
    if (!request->waiting || request->id != id)
        broken("an answer to %" PRIu64 " that nobody waits for: %s", id, answer);
    bool right = options.workload == ECHO ? (uint64_t)first_number(answer, "\"seq\":") == id
                                          : is_ok(answer);
    if (!right)
        broken("refused: %s", answer);
    if (options.workload == ROOMS && !request->told)
        broken("answer %" PRIu64 " came before its event", id);
    request->waiting = false;
    tally.answered++;
    if (measuring)
        histogram_add(&answer_times, now_ns() - request->due_ns);
    if (going_on)
        send_request(client, slot, now_ns());
}

/* Events of a room are numbered without a hole. */
static void follow(struct client *client, int64_t seq)
{
    if (seq != client->seq + 1)
        broken("event %" PRId64 " came after %" PRId64, seq, client->seq);
    client->seq = seq;
}

/* An event says when it was due. */
static void note_time(const char *event)
{
    if (measuring)
        histogram_add(&told_times, now_ns() - (uint64_t)first_number(event, "\"t\":"));
}

static void on_attack(struct client *client, const char *event)
{
    note_time(event);
    if (first_number(event, "\"from\":") != client->number)
        return;
    uint64_t id = (uint64_t)first_number(event, "\"n\":");
    struct request *request = &client->requests[id % (uint64_t)options.window];
    if (!request->waiting || request->id != id || request->told)
        broken("an attack is told that was told before: %s", event);
    request->told = true;
}

void client_on_event(struct client *client, const char *event, size_t size)
{
    if (!client->ready)
        return; /* a greeting: nothing is sent before all are in their rooms */
    switch (options.workload) {
    case BROADCAST:
        if (!begins(event, "[\"msg\","))
            broken("the server says %s", event);
        follow(client, first_number(event, "\"seq\":"));
        note_time(event);
        tally.told++;
        break;
    case ROOMS:
        if (!begins(event, "[\"attack\","))
            broken("the server says %s", event);
        on_attack(client, event);
        tally.told++;
        break;
    case STRIKES: {
        int64_t seq = last_number(event, size, "\"seq\":");
        if (seq < 0)
            break; /* of no room that keeps its events, such as one's stamina */
        follow(client, seq);
        if (begins(event, "[\"battles.struck\","))
            tally.told++;
        break;
    }
    default:
        break; /* nothing is asked of others */
    }
}
