#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broken.h"
#include "websocket.h"

enum { AT_ONCE = 512, CHUNK = 1 << 18, LARGEST = 1 << 20 };

static struct sockaddr_in server;
static char upgrade[256];
static int epoll;

void wires_to(const char *host, uint16_t port)
{
    server.sin_family = AF_INET;
    server.sin_port = htons(port);
    if (inet_pton(AF_INET, host, &server.sin_addr) != 1)
        broken("%s is no IPv4 address", host);
    snprintf(upgrade, sizeof upgrade,
             "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
             "Host: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
             host, port);
    epoll = epoll_create1(0);
}

/* Be told when there is something to read, and when there is room to write where that is missed. */
static void watch(struct wire *wire, int how, bool writable)
{
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = wire};
    if (epoll_ctl(epoll, how, wire->socket, &event) < 0)
        broken("epoll: %s", strerror(errno));
}

void wire_open(struct wire *wire)
{
    wire->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (wire->socket < 0)
        broken("a socket: %s", strerror(errno));
    int yes = 1;
    setsockopt(wire->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    wire->stage = CONNECTING;
    if (connect(wire->socket, (struct sockaddr *)&server, sizeof server) < 0 &&
        errno != EINPROGRESS)
        broken("connecting: %s", strerror(errno));
    watch(wire, EPOLL_CTL_ADD, true);
}

/* Send what can be sent now. Returns how much that was. */
static size_t sent_now(struct wire *wire, const char *bytes, size_t size)
{
    ssize_t sent = send(wire->socket, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        broken("sending: %s", strerror(errno));
    return sent < 0 ? 0 : (size_t)sent;
}

static void send_bytes(struct wire *wire, const char *bytes, size_t size)
{
    size_t sent = wire->unsent.size == 0 ? sent_now(wire, bytes, size) : 0;
    if (sent == size)
        return;
    if (wire->unsent.size == 0)
        watch(wire, EPOLL_CTL_MOD, true);
    text_add(&wire->unsent, bytes + sent, size - sent);
}

static void send_unsent(struct wire *wire)
{
    text_drop(&wire->unsent, sent_now(wire, wire->unsent.bytes, wire->unsent.size));
    if (wire->unsent.size == 0)
        watch(wire, EPOLL_CTL_MOD, false);
}

static void send_frame(struct wire *wire, enum opcode opcode, const char *payload, size_t size)
{
    static struct text frame;
    frame.size = 0;
    frame_write(&frame, opcode, payload, size, true);
    send_bytes(wire, frame.bytes, frame.size);
}

void wire_send(struct wire *wire, const char *text, size_t size)
{
    send_frame(wire, TEXT, text, size);
}

static void connected(struct wire *wire)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(wire->socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
        broken("connecting: %s", strerror(error));
    wire->stage = UPGRADING;
    watch(wire, EPOLL_CTL_MOD, false);
    send_bytes(wire, upgrade, strlen(upgrade));
}

/* Returns how many bytes the server's answer to the upgrade has, 0 where more must come. */
static size_t upgraded(struct wire *wire, const char *bytes, size_t there)
{
    static const char accepted[] = "HTTP/1.1 101 ";
    const char *end = memmem(bytes, there, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    if (strncmp(bytes, accepted, strlen(accepted)) != 0)
        broken("no WebSocket: %.*s", (int)strcspn(bytes, "\r"), bytes);
    wire->stage = OPEN;
    return (size_t)(end - bytes) + 4;
}

static void on_close(const struct frame *frame) __attribute__((noreturn));

static void on_close(const struct frame *frame)
{
    const unsigned char *code = (const unsigned char *)frame->payload;
    if (frame->size < 2)
        broken("the server closed a WebSocket");
    broken("the server closed a WebSocket: %d %.*s", code[0] << 8 | code[1],
           (int)frame->size - 2, frame->payload + 2);
}

static void on_frame(struct wire *wire, struct frame *frame)
{
    switch (frame->opcode) {
    case PING:
        send_frame(wire, PONG, frame->payload, frame->size);
        break;
    case CLOSE:
        on_close(frame);
    case TEXT:
    case CONTINUATION:
        if (frame->last && wire->message.size == 0) {
            wire_on_text(wire, frame->payload, frame->size);
            break;
        }
        text_add(&wire->message, frame->payload, frame->size);
        if (frame->last) {
            text_room(&wire->message, 1);
            wire_on_text(wire, wire->message.bytes, wire->message.size);
            wire->message.size = 0;
        }
        break;
    default:
        broken("a frame of opcode %d", frame->opcode);
    }
}

/* Take what has come. Returns whether there may be more. */
static bool read_on(struct wire *wire)
{
    static char bytes[LARGEST + CHUNK + 1]; /* the last one so that a text can be ended */
    size_t there = wire->unread.size;
    if (there > LARGEST)
        broken("a frame of more than %d bytes", LARGEST);
    if (there > 0)
        memcpy(bytes, wire->unread.bytes, there);
    ssize_t got = recv(wire->socket, bytes + there, CHUNK, 0);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0)
        broken("the server hung up");
    there += (size_t)got;
    size_t at = wire->stage == UPGRADING ? upgraded(wire, bytes, there) : 0;
    struct frame frame;
    size_t size;
    while (wire->stage == OPEN && (size = frame_read(bytes + at, there - at, &frame)) > 0) {
        at += size;
        on_frame(wire, &frame);
    }
    wire->unread.size = 0;
    text_add(&wire->unread, bytes + at, there - at);
    return got == CHUNK;
}

bool wires_look(int timeout_ms)
{
    struct epoll_event events[AT_ONCE];
    int ready = epoll_wait(epoll, events, AT_ONCE, timeout_ms);
    for (int i = 0; i < ready; i++) {
        struct wire *wire = events[i].data.ptr;
        if (wire->stage == CONNECTING) {
            connected(wire);
            continue;
        }
        if ((events[i].events & EPOLLOUT) && wire->unsent.size > 0)
            send_unsent(wire);
        while (read_on(wire))
            ;
    }
    return ready > 0;
}
