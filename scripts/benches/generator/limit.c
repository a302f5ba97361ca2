/* What a server could be at best: `limit --port N` answers the load from one thread, with nothing in it
 * but sockets and frames. It looks for names in the text instead of reading JSON, checks nothing,
 * and takes each client's frames of one round together. It is no server: it ends with the first
 * client that hangs up. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broken.h"
#include "websocket.h"

enum { AT_ONCE = 1024, CHUNK = 1 << 18, MOST_ROOMS = 1 << 16, BACKLOG = 4096 };

struct client {
    int socket;
    bool upgraded;
    bool listed; /* among those with something to send */
    struct text unread;
    struct text unsent;
};

struct room {
    struct client **members;
    size_t count;
};

static struct room rooms[MOST_ROOMS];
static struct client **to_send;
static size_t to_send_count;
static size_t client_count;

/* ---- sending */

static void list(struct client *client)
{
    if (client->listed)
        return;
    client->listed = true;
    to_send[to_send_count++] = client;
}

static void send_text(struct client *client, const struct text *text)
{
    frame_write(&client->unsent, TEXT, text->bytes, text->size, false);
    list(client);
}

/* Send what is there, each client's in one call. */
static void send_all(void)
{
    size_t left = 0;
    for (size_t i = 0; i < to_send_count; i++) {
        struct client *client = to_send[i];
        ssize_t sent =
            send(client->socket, client->unsent.bytes, client->unsent.size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            exit(0);
        text_drop(&client->unsent, sent < 0 ? 0 : (size_t)sent);
        client->listed = client->unsent.size > 0;
        if (client->listed)
            to_send[left++] = client;
    }
    to_send_count = left;
}

/* ---- messages */

/* The room that is named in the text: "all" is the first, "r0" the next. */
static struct room *room_in(const char *text)
{
    static const char key[] = "\"room\":\"";
    const char *name = strstr(text, key);
    if (name == NULL)
        broken("no room in %s", text);
    name += strlen(key);
    size_t number = *name == 'r' ? strtoul(name + 1, NULL, 10) + 1 : 0;
    if (number >= MOST_ROOMS)
        broken("no room for %s", text);
    return &rooms[number];
}

static void enter(struct room *room, struct client *client)
{
    room->members = realloc(room->members, (room->count + 1) * sizeof *room->members);
    if (room->members == NULL)
        abort();
    room->members[room->count++] = client;
}

/* Tell a room `["name",data]`. The frame is made once. */
static void tell(struct room *room, const char *name, const char *data, size_t size)
{
    static struct text event, frame;
    event.size = frame.size = 0;
    text_print(&event, "42[\"%s\",", name);
    text_add(&event, data, size);
    text_add(&event, "]", 1);
    frame_write(&frame, TEXT, event.bytes, event.size, false);
    for (size_t i = 0; i < room->count; i++) {
        text_add(&room->members[i]->unsent, frame.bytes, frame.size);
        list(room->members[i]);
    }
}

static void answer(struct client *client, const char *id, size_t id_size, const char *data,
                   size_t size)
{
    static struct text packet;
    packet.size = 0;
    if (id_size == 0)
        return;
    text_add(&packet, "43", 2);
    text_add(&packet, id, id_size);
    text_add(&packet, "[", 1);
    text_add(&packet, data, size);
    text_add(&packet, "]", 1);
    send_text(client, &packet);
}

/* A message is 42, its id, and ["name",data]. */
static void on_message(struct client *client, const char *text, size_t size)
{
    static const char ok[] = "{\"ok\":true}", struck[] = "{\"ok\":true,\"hp\":87}";
    const char *id = text + 2;
    const char *name = strchr(id, '[');
    const char *data = name == NULL ? NULL : strchr(name, ',');
    if (data == NULL)
        broken("no message: %s", text);
    size_t id_size = (size_t)(name - id);
    name += strlen("[\"");
    data += 1;
    size_t data_size = (size_t)(text + size - data) - 1;
    switch (*name) {
    case 'j':
        enter(room_in(data), client);
        answer(client, id, id_size, ok, strlen(ok));
        break;
    case 'e':
        answer(client, id, id_size, data, data_size);
        break;
    case 'b': {
        const char *message = strstr(data, "\"msg\":") + strlen("\"msg\":");
        tell(room_in(data), "msg", message, (size_t)(data + data_size - message) - 1);
        answer(client, id, id_size, ok, strlen(ok));
        break;
    }
    default:
        tell(room_in(data), "attack", data, data_size);
        answer(client, id, id_size, struck, strlen(struck));
    }
}

static void on_text(struct client *client, char *text, size_t size)
{
    char behind = text[size];
    text[size] = '\0';
    if (strncmp(text, "42", 2) == 0) {
        on_message(client, text, size);
    } else if (strncmp(text, "40", 2) == 0) {
        static struct text connected;
        if (connected.size == 0)
            text_print(&connected, "40{\"sid\":\"s\"}");
        send_text(client, &connected);
    }
    text[size] = behind;
}

/* ---- sockets */

/* Answer the load's own upgrade: its key is always the same, and so is what follows from it. */
static void upgrade(struct client *client)
{
    static struct text opened;
    if (opened.size == 0)
        text_print(&opened, "0{\"sid\":\"s\",\"upgrades\":[],\"pingInterval\":25000,"
                            "\"pingTimeout\":20000,\"maxPayload\":1000000}");
    text_print(&client->unsent, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\n"
                                "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n");
    client->upgraded = true;
    send_text(client, &opened);
}

static void read_on(struct client *client)
{
    static char bytes[2 * CHUNK + 1];
    size_t there = client->unread.size;
    if (there > CHUNK)
        broken("a frame of more than %d bytes", CHUNK);
    if (there > 0)
        memcpy(bytes, client->unread.bytes, there);
    ssize_t got = recv(client->socket, bytes + there, CHUNK, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 && client->upgraded)
        exit(0);
    if (got <= 0) {
        close(client->socket); /* somebody looked whether anybody listens */
        return;
    }
    there += (size_t)got;
    size_t at = 0;
    if (!client->upgraded) {
        if (memmem(bytes, there, "\r\n\r\n", 4) != NULL) {
            upgrade(client);
            at = there;
        }
    } else {
        struct frame frame;
        size_t size;
        while ((size = frame_read(bytes + at, there - at, &frame)) > 0) {
            at += size;
            on_text(client, frame.payload, frame.size);
        }
    }
    client->unread.size = 0;
    text_add(&client->unread, bytes + at, there - at);
}

static void accept_client(int listener, int epoll)
{
    int yes = 1;
    struct client *client = calloc(1, sizeof *client);
    to_send = realloc(to_send, ++client_count * sizeof(struct client *));
    if (client == NULL || to_send == NULL)
        abort();
    client->socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(epoll, EPOLL_CTL_ADD, client->socket, &event);
}

static int listen_at(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, BACKLOG) < 0)
        broken("port %d: %s", port, strerror(errno));
    return listener;
}

int main(int count, char **words)
{
    if (count != 3 || strcmp(words[1], "--port") != 0) {
        fputs("usage: limit --port N\n", stderr);
        return 2;
    }
    int listener = listen_at((uint16_t)atoi(words[2]));
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, events[AT_ONCE];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        /* Whoever's socket is full is tried again soon. */
        int ready = epoll_wait(epoll, events, AT_ONCE, to_send_count > 0 ? 1 : -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                accept_client(listener, epoll);
            else
                read_on(events[i].data.ptr);
        }
        send_all();
    }
}
