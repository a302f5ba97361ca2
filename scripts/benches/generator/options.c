#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_AT_A_RATE = 64 /* answers that a client may be behind */ };

struct options options = {
    .host = "127.0.0.1",
    .port = 8000,
    .clients = 100,
    .window = 1,
    .warm_up_s = 1,
    .seconds = 5,
    .patience_s = 20,
    .room_size = 4,
    .bytes = 200,
};

static const char *const workloads[] = {"broadcast", "echo", "rooms", "strikes", "idle"};

static const char usage[] =
    "usage: load WORKLOAD [option ...]\n"
    "Loads a Socket.IO server from one core, and prints what came of it as one line of JSON.\n"
    "\n"
    "  broadcast  one client tells all; the next is sent when all were told\n"
    "  echo       every client gets back what it sends\n"
    "  rooms      every client tells its small room, and is answered\n"
    "  strikes    the same on Warroom itself: battles.attack, each with a seat in a battle\n"
    "  idle       all are in one room, and nothing is sent\n"
    "\n"
    "  --host ADDRESS  --port N   the server (127.0.0.1, 8000)\n"
    "  --pid N[,N...]             its processes: their time and memory are measured\n"
    "  --clients N                (100)\n"
    "  --window N                 messages of a client, or broadcasts, under way at a time (1)\n"
    "  --rate N                   messages a second of all together; lateness counts from when\n"
    "                             each was due. Without it: as fast as the window lets them\n"
    "  --warm-up S  --seconds S   how long it lasts (1, 5)\n"
    "  --patience S               how long to wait for what does not come (20)\n"
    "  --room-size N              rooms, strikes (4)\n"
    "  --bytes N                  of the object that is sent (200)\n"
    "  --people FILE              strikes, idle: a line for each client, the object that it logs\n"
    "                             in with, and behind a tab its battle, where it has one\n"
    "\n"
    "It never sleeps, but for idle. Exit code 1 where anything was lost, refused or out of order.\n";

static void refuse(const char *why, const char *what)
{
    fprintf(stderr, "load: %s%s (load --help)\n", why, what);
    exit(2);
}

static double number(const char *name, const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || value < least || value > 1e9)
        refuse("not a number that can be used: --", name);
    return value;
}

static void read_processes(char *list)
{
    for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
        if (options.server.count == MOST_PROCESSES)
            refuse("too many of --pid", "");
        options.server.ids[options.server.count++] = (pid_t)number("pid", word, 1);
    }
}

static enum workload workload_named(const char *name)
{
    for (int each = BROADCAST; each <= IDLE; each++)
        if (strcmp(name, workloads[each]) == 0)
            return (enum workload)each;
    refuse("there is no workload ", name);
    return IDLE;
}

static void check(void)
{
    if (options.workload == STRIKES && options.people == NULL)
        refuse("strikes takes --people", "");
    if (options.people != NULL && options.workload != STRIKES && options.workload != IDLE)
        refuse("--people is for strikes and idle", "");
    if (options.clients % options.room_size != 0 &&
        (options.workload == ROOMS || options.workload == STRIKES))
        refuse("the clients do not fill their rooms", "");
    if (options.rate > 0 && options.window < WINDOW_AT_A_RATE)
        options.window = WINDOW_AT_A_RATE;
}

void options_read(int count, char **words)
{
    enum name { HELP, HOST, PORT, PID, CLIENTS, WINDOW, RATE, WARM_UP, SECONDS, PATIENCE, ROOM_SIZE, BYTES,
                PEOPLE };
    static const struct option known[] = {
        [HELP] = {"help", no_argument, NULL, HELP},
        [HOST] = {"host", required_argument, NULL, HOST},
        [PORT] = {"port", required_argument, NULL, PORT},
        [PID] = {"pid", required_argument, NULL, PID},
        [CLIENTS] = {"clients", required_argument, NULL, CLIENTS},
        [WINDOW] = {"window", required_argument, NULL, WINDOW},
        [RATE] = {"rate", required_argument, NULL, RATE},
        [WARM_UP] = {"warm-up", required_argument, NULL, WARM_UP},
        [SECONDS] = {"seconds", required_argument, NULL, SECONDS},
        [PATIENCE] = {"patience", required_argument, NULL, PATIENCE},
        [ROOM_SIZE] = {"room-size", required_argument, NULL, ROOM_SIZE},
        [BYTES] = {"bytes", required_argument, NULL, BYTES},
        [PEOPLE] = {"people", required_argument, NULL, PEOPLE},
        [PEOPLE + 1] = {0},
    };
    int name;
    while ((name = getopt_long(count, words, "", known, NULL)) != -1) {
        if (name == '?')
            exit(2);
        const char *said = known[name].name;
        switch ((enum name)name) {
        case HELP: fputs(usage, stdout); exit(0);
        case HOST: options.host = optarg; break;
        case PORT: options.port = (uint16_t)number(said, optarg, 1); break;
        case PID: read_processes(optarg); break;
        case CLIENTS: options.clients = (int)number(said, optarg, 1); break;
        case WINDOW: options.window = (int)number(said, optarg, 1); break;
        case RATE: options.rate = number(said, optarg, 0); break;
        case WARM_UP: options.warm_up_s = number(said, optarg, 0); break;
        case SECONDS: options.seconds = number(said, optarg, 0); break;
        case PATIENCE: options.patience_s = number(said, optarg, 0); break;
        case ROOM_SIZE: options.room_size = (int)number(said, optarg, 1); break;
        case BYTES: options.bytes = (int)number(said, optarg, 1); break;
        case PEOPLE: options.people = optarg; break;
        }
    }
    if (optind != count - 1)
        refuse("name one workload", "");
    options.workload = workload_named(words[optind]);
    check();
}
