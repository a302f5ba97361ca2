#include "client.h"

#include <stdlib.h>
#include <string.h>

#include "broken.h"

/* The first characters of a packet: its type in Engine.IO, then in Socket.IO. */
enum { OPENED = '0', PINGED = '2', MESSAGE = '4', NOOP = '6' };
enum { CONNECTED = '0', EVENT = '2', ACK = '3' };

void client_emit(struct client *client, uint64_t id, const char *name, const char *data,
                 size_t size)
{
    static struct text packet;
    packet.size = 0;
    if (id > 0)
        text_print(&packet, "42%llu[\"%s\",", (unsigned long long)id, name);
    else
        text_print(&packet, "42[\"%s\",", name);
    text_add(&packet, data, size);
    text_add(&packet, "]", 1);
    wire_send(&client->wire, packet.bytes, packet.size);
}

static void connect_namespace(struct client *client)
{
    struct text packet = {0};
    text_add(&packet, "40", 2);
    text_add(&packet, client->auth, strlen(client->auth));
    wire_send(&client->wire, packet.bytes, packet.size);
    free(packet.bytes);
}

static void on_message(struct client *client, const char *packet, size_t size)
{
    if (packet[1] == EVENT && client->connected) {
        client_on_event(client, packet + 2, size - 2);
    } else if (packet[1] == ACK && client->connected) {
        char *answer;
        uint64_t id = strtoull(packet + 2, &answer, 10);
        client_on_answer(client, id, answer, size - (size_t)(answer - packet));
    } else if (packet[1] == CONNECTED && !client->connected) {
        client->connected = true;
        client_on_connected(client);
    } else {
        broken("the server says %s", packet);
    }
}

void wire_on_text(struct wire *wire, char *packet, size_t size)
{
    struct client *client = (struct client *)wire;
    char behind = packet[size];
    packet[size] = '\0';
    if (packet[0] == MESSAGE)
        on_message(client, packet, size);
    else if (packet[0] == PINGED)
        wire_send(wire, "3", 1);
    else if (packet[0] == OPENED)
        connect_namespace(client);
    else if (packet[0] != NOOP)
        broken("the server says %s", packet);
    packet[size] = behind;
}
