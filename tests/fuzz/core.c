/* Inputs for `play` of both builds, with vectors and without: by libFuzzer, or by a simple mutator where it is missing.
 *
 * `core MUTATIONS FOLDER` plays the files of a folder, and as many mutations of them. libFuzzer's own `main` is
 * in place of this one with -DMRFRAME_LIBFUZZER.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t play(const uint8_t *data, size_t size);
uint64_t play_plain(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (play(data, size) == play_plain(data, size)) return 0;
    fprintf(stderr, "broken: plain C reads and drains other bytes\n");
    abort();
}

#ifndef MRFRAME_LIBFUZZER
enum { FILES_MAX = 1024, BYTES_MAX = 1 << 16, MUTATED_MAX = 4096 };

static struct {
    uint8_t *bytes;
    size_t size;
} file[FILES_MAX];
static size_t files;

static uint64_t state = 88172645463325252u;

static uint64_t random_below(uint64_t bound) { /* xorshift */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound ? state % bound : 0;
}

static void read_folder(const char *folder) {
    DIR *open = opendir(folder);
    for (struct dirent *one; open && files < FILES_MAX && (one = readdir(open));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
        FILE *from = one->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!from) continue;
        file[files].bytes = malloc(BYTES_MAX);
        if (!file[files].bytes) abort();
        file[files].size = fread(file[files].bytes, 1, BYTES_MAX, from);
        files++;
        fclose(from);
    }
    if (open) closedir(open);
}

/* Changes a byte, leaves bytes out, repeats some, or takes some of another file. */
static size_t mutate(uint8_t *data, size_t size) {
    size_t at = random_below(size + 1), length = random_below(24);
    if (length > size - at) length = size - at;
    size_t other = random_below(files), from = random_below(file[other].size);
    switch (random_below(4)) {
    case 0:
        if (at < size) data[at] = (uint8_t)random_below(256);
        return size;
    case 1: memmove(data + at, data + at + length, size - at - length); return size - length;
    case 2: memmove(data + at + length, data + at, size - at); return size + length;
    default:
        for (size_t i = 0; i < length && from + i < file[other].size; i++) data[at + i] = file[other].bytes[from + i];
        return size;
    }
}

int main(int count, char **given) {
    uint8_t *data = malloc(BYTES_MAX + 1024);
    if (count != 3 || !data) return 2;
    read_folder(given[2]);
    for (size_t i = 0; i < files; i++) LLVMFuzzerTestOneInput(file[i].bytes, file[i].size);
    long mutations = files ? atol(given[1]) : 0;
    for (long number = 0; number < mutations; number++) {
        size_t from = random_below(files), size = file[from].size < MUTATED_MAX ? file[from].size : MUTATED_MAX;
        memcpy(data, file[from].bytes, size);
        for (uint64_t left = 1 + random_below(6); left; left--) size = mutate(data, size);
        uint8_t *exact = malloc(size ? size : 1);
        if (!exact) abort();
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    for (size_t i = 0; i < files; i++) free(file[i].bytes);
    free(data);
    printf("%zu seeds, %ld mutations, 0 reports\n", files, mutations);
    return 0;
}
#endif
