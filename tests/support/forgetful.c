/* A file system that forgets what was not synced. Source: fsync(2), rename(2), libfuse 3.

   usage: forgetful MOUNTPOINT SURVIVED [names | data]

   All is in memory. A file holds what was last synced with fsync, a folder the names that it had
   when it was last synced: that is what a power cut leaves. Each sync that changes anything of it
   writes it into the folder SURVIVED/<number>, so that these are all states that a power cut at
   any moment can leave. Runs in the foreground until it is unmounted; one thread.

   With a third argument only a cut writes, into SURVIVED/cut: with `names` the same, with `data`
   the names as they are, synced or not, and the bytes that were synced. Asking for the attributes
   of MOUNTPOINT/.cut-<number> plans the cut: that change from now on, counted from 1, is not made,
   and from then on everything fails with EIO. The size of MOUNTPOINT/.changes is the number of
   changes so far. A change is what alters a file or a folder, or syncs it. */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct node;

struct name {
    char *text;
    struct node *node;
};

struct body { /* what a node holds: bytes, or names */
    char *bytes;
    size_t size, room;
    struct name *names;
    size_t count;
};

struct node {
    mode_t mode;
    ino_t number;
    nlink_t links;
    struct timespec changed;
    struct body now, kept;
};

static struct node *root;
static const char *survived;
static ino_t numbers;
static int states;
static int only_cut, names_stay; /* the third argument */
static int changes, cut_at;      /* 0: no cut is planned */
static int is_cut;

static void *need(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static struct node *new_node(mode_t mode)
{
    struct node *node = need(calloc(1, sizeof *node));

    node->mode = mode;
    node->number = ++numbers;
    node->links = S_ISDIR(mode) ? 2 : 1;
    clock_gettime(CLOCK_REALTIME, &node->changed);
    return node;
}

/* ---- names */

static struct name *entry(const struct body *folder, const char *text, size_t length)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strlen(folder->names[i].text) == length && !memcmp(folder->names[i].text, text, length))
            return &folder->names[i];
    return NULL;
}

/* The node at a path; where `last` is given, the folder that is to hold its last part. */
static struct node *find(const char *path, const char **last)
{
    struct node *node = root;

    while (*path == '/')
        path++;
    while (*path) {
        size_t length = strcspn(path, "/");
        struct name *found;

        if (!S_ISDIR(node->mode))
            return NULL;
        if (last != NULL && path[length] == 0) {
            *last = path;
            return node;
        }
        found = entry(&node->now, path, length);
        if (found == NULL)
            return NULL;
        node = found->node;
        path += length;
        while (*path == '/')
            path++;
    }
    return node;
}

static void put(struct node *folder, const char *text, struct node *node)
{
    struct name *found = entry(&folder->now, text, strlen(text));

    if (found != NULL) {
        found->node->links--;
        found->node = node;
        return;
    }
    folder->now.names =
        need(realloc(folder->now.names, (folder->now.count + 1) * sizeof *folder->now.names));
    folder->now.names[folder->now.count].text = need(strdup(text));
    folder->now.names[folder->now.count++].node = node;
}

static void take_away(struct node *folder, const char *text)
{
    struct name *found = entry(&folder->now, text, strlen(text));

    free(found->text);
    *found = folder->now.names[--folder->now.count];
}

/* ---- what survives */

static void write_out(const struct node *node, const char *path)
{
    if (S_ISDIR(node->mode)) {
        const struct body *folder = names_stay ? &node->now : &node->kept;

        mkdir(path, 0700);
        for (size_t i = 0; i < folder->count; i++) {
            char *inner;

            if (asprintf(&inner, "%s/%s", path, folder->names[i].text) < 0)
                abort();
            write_out(folder->names[i].node, inner);
            free(inner);
        }
    } else {
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, node->mode & 0777);

        if (file < 0 || write(file, node->kept.bytes, node->kept.size) != (ssize_t)node->kept.size)
            abort();
        close(file);
    }
}

static void keep(struct node *node)
{
    struct body *now = &node->now, *kept = &node->kept;
    char path[4096];

    if (S_ISDIR(node->mode)) {
        for (size_t i = 0; i < kept->count; i++)
            free(kept->names[i].text);
        kept->names = need(realloc(kept->names, (now->count + 1) * sizeof *kept->names));
        kept->count = now->count;
        for (size_t i = 0; i < now->count; i++) {
            kept->names[i].text = need(strdup(now->names[i].text));
            kept->names[i].node = now->names[i].node;
        }
    } else {
        if (kept->size == now->size && !memcmp(kept->bytes ? kept->bytes : "", now->bytes, now->size))
            return;
        kept->bytes = need(realloc(kept->bytes, now->size + 1));
        memcpy(kept->bytes, now->bytes, now->size);
        kept->size = now->size;
    }
    if (only_cut)
        return;
    snprintf(path, sizeof path, "%s/%06d", survived, ++states);
    write_out(root, path);
}

/* Called before each change. Returns the error that is given instead of it, or 0. */
static int before_change(void)
{
    char unfinished[4096], path[4096];

    if (is_cut)
        return -EIO;
    if (++changes != cut_at)
        return 0;
    snprintf(unfinished, sizeof unfinished, "%s/unfinished", survived);
    snprintf(path, sizeof path, "%s/cut", survived);
    write_out(root, unfinished);
    if (rename(unfinished, path))
        abort();
    is_cut = 1;
    return -EIO;
}

/* ---- what is asked of a file system */

static struct node *of(const char *path, struct fuse_file_info *file)
{
    return file != NULL && file->fh ? (struct node *)(uintptr_t)file->fh : find(path, NULL);
}

static void *begin(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->use_ino = 1;
    config->hard_remove = 1;
    config->nullpath_ok = 1;
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
    return NULL;
}

static int get_attributes(const char *path, struct stat *found, struct fuse_file_info *file)
{
    struct node *node = of(path, file);
    int number = 0;

    memset(found, 0, sizeof *found);
    if (path != NULL && (!strcmp(path, "/.changes") || sscanf(path, "/.cut-%d", &number) == 1)) {
        if (number)
            cut_at = changes + number;
        found->st_mode = S_IFREG;
        found->st_size = changes;
        return 0;
    }
    if (is_cut && node != root)
        return -EIO;
    if (node == NULL)
        return -ENOENT;
    found->st_ino = node->number;
    found->st_mode = node->mode;
    found->st_nlink = node->links;
    found->st_uid = getuid();
    found->st_gid = getgid();
    found->st_size = (off_t)node->now.size;
    found->st_blocks = (blkcnt_t)(node->now.size + 511) / 512;
    found->st_atim = found->st_mtim = found->st_ctim = node->changed;
    return 0;
}

static int read_folder(const char *path, void *names, fuse_fill_dir_t fill, off_t offset,
                       struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
    struct node *node = of(path, file);

    (void)offset, (void)flags;
    if (is_cut)
        return -EIO;
    fill(names, ".", NULL, 0, 0);
    fill(names, "..", NULL, 0, 0);
    for (size_t i = 0; i < node->now.count; i++)
        fill(names, node->now.names[i].text, NULL, 0, 0);
    return 0;
}

static int add(const char *path, struct node *node)
{
    const char *last = NULL;
    struct node *folder = find(path, &last);

    if (folder == NULL || last == NULL)
        return -ENOENT;
    put(folder, last, node);
    return 0;
}

static int make_folder(const char *path, mode_t mode)
{
    int fault = before_change();

    if (fault)
        return fault;
    return find(path, NULL) != NULL ? -EEXIST : add(path, new_node(S_IFDIR | mode));
}

static int create(const char *path, mode_t mode, struct fuse_file_info *file)
{
    struct node *node;
    int fault = before_change();

    if (fault)
        return fault;
    node = new_node(S_IFREG | (mode & 07777));
    fault = add(path, node);
    node->now.bytes = need(calloc(1, 1));
    file->fh = (uint64_t)(uintptr_t)node;
    return fault;
}

static int open_node(const char *path, struct fuse_file_info *file)
{
    struct node *node = find(path, NULL);

    if (is_cut)
        return -EIO;
    if (node == NULL)
        return -ENOENT;
    file->fh = (uint64_t)(uintptr_t)node;
    return 0;
}

static int remove_name(const char *path)
{
    const char *last = NULL;
    struct node *folder = find(path, &last), *node = find(path, NULL);
    int fault = before_change();

    if (fault)
        return fault;
    if (node == NULL)
        return -ENOENT;
    if (S_ISDIR(node->mode) && node->now.count)
        return -ENOTEMPTY;
    node->links--;
    take_away(folder, last);
    return 0;
}

static int add_link(const char *from, const char *to)
{
    struct node *node = find(from, NULL);
    int fault = before_change();

    if (fault)
        return fault;
    if (node == NULL)
        return -ENOENT;
    if (find(to, NULL) != NULL)
        return -EEXIST;
    node->links++;
    return add(to, node);
}

static int rename_node(const char *from, const char *to, unsigned int flags)
{
    const char *last = NULL;
    struct node *folder = find(from, &last), *node = find(from, NULL);
    int fault = before_change();

    if (!fault)
        fault = flags ? -EINVAL : node == NULL ? -ENOENT : add(to, node);
    if (!fault)
        take_away(folder, last);
    return fault;
}

static void set_size(struct node *node, off_t size)
{
    struct body *now = &node->now;

    if ((size_t)size > now->room) {
        now->room = (size_t)size * 2;
        now->bytes = need(realloc(now->bytes, now->room + 1));
    }
    if ((size_t)size > now->size)
        memset(now->bytes + now->size, 0, (size_t)size - now->size);
    now->size = (size_t)size;
    clock_gettime(CLOCK_REALTIME, &node->changed);
}

static int resize(const char *path, off_t size, struct fuse_file_info *file)
{
    struct node *node = of(path, file);
    int fault = before_change();

    if (fault)
        return fault;
    if (node == NULL)
        return -ENOENT;
    set_size(node, size);
    return 0;
}

static int read_bytes(const char *path, char *bytes, size_t size, off_t offset,
                      struct fuse_file_info *file)
{
    struct node *node = of(path, file);

    if (is_cut)
        return -EIO;
    if ((size_t)offset >= node->now.size)
        return 0;
    if (size > node->now.size - (size_t)offset)
        size = node->now.size - (size_t)offset;
    memcpy(bytes, node->now.bytes + offset, size);
    return (int)size;
}

static int write_bytes(const char *path, const char *bytes, size_t size, off_t offset,
                       struct fuse_file_info *file)
{
    struct node *node = of(path, file);
    int fault = before_change();

    if (fault)
        return fault;
    if ((size_t)offset + size > node->now.size)
        set_size(node, offset + (off_t)size);
    memcpy(node->now.bytes + offset, bytes, size);
    return (int)size;
}

static int sync_node(const char *path, int only_bytes, struct fuse_file_info *file)
{
    int fault = before_change();

    (void)only_bytes;
    if (!fault)
        keep(of(path, file));
    return fault;
}

static int set_mode(const char *path, mode_t mode, struct fuse_file_info *file)
{
    struct node *node = of(path, file);

    if (node == NULL)
        return -ENOENT;
    node->mode = (node->mode & S_IFMT) | (mode & 07777);
    return 0;
}

static int set_owner(const char *path, uid_t user, gid_t group, struct fuse_file_info *file)
{
    (void)user, (void)group;
    return of(path, file) == NULL ? -ENOENT : 0;
}

static int set_times(const char *path, const struct timespec times[2], struct fuse_file_info *file)
{
    (void)times;
    return of(path, file) == NULL ? -ENOENT : 0;
}

static const struct fuse_operations operations = {
    .init = begin,
    .getattr = get_attributes,
    .readdir = read_folder,
    .mkdir = make_folder,
    .create = create,
    .open = open_node,
    .opendir = open_node,
    .unlink = remove_name,
    .rmdir = remove_name,
    .link = add_link,
    .rename = rename_node,
    .truncate = resize,
    .read = read_bytes,
    .write = write_bytes,
    .fsync = sync_node,
    .fsyncdir = sync_node,
    .chmod = set_mode,
    .chown = set_owner,
    .utimens = set_times,
};

int main(int count, char **given)
{
    char *arguments[] = {given[0], "-f", "-s", given[1], NULL};

    if (count < 3 || count > 4)
        return 2;
    only_cut = count == 4;
    names_stay = only_cut && !strcmp(given[3], "data");
    root = new_node(S_IFDIR | 0700);
    survived = given[2];
    return fuse_main(4, arguments, &operations, NULL);
}
