/* Hyperscan's bare search for literal words as `src/scripts.rs` asks it: `hyperscan WORDS`.
 *
 * Prints how many seconds of CPU time it took to compile the words, then answers each line that it reads:
 * `time FILE MILLISECONDS` by nanoseconds of CPU time for a line of the file. It asks for no starts of
 * matches, which is the fastest that Hyperscan can do. */

#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct lines {
    size_t count;
    const char **starts;
    size_t *lengths;
};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void *memory(size_t bytes) {
    void *given = malloc(bytes);
    if (given == NULL) fail("malloc", "no memory");
    return given;
}

/* Reads a file as lines; they live as long as the program. */
static struct lines lines_of(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path, "it cannot be opened");
    fseek(file, 0, SEEK_END);
    size_t bytes = (size_t)ftell(file);
    rewind(file);
    char *text = memory(bytes + 1);
    if (fread(text, 1, bytes, file) != bytes) fail(path, "it cannot be read");
    fclose(file);
    text[bytes] = 0;
    struct lines lines = {1, NULL, NULL};
    for (size_t at = 0; at < bytes; at++) lines.count += text[at] == '\n';
    lines.starts = memory(lines.count * sizeof *lines.starts);
    lines.lengths = memory(lines.count * sizeof *lines.lengths);
    for (size_t line = 0; line < lines.count; line++) {
        lines.starts[line] = text;
        lines.lengths[line] = strcspn(text, "\n");
        text += lines.lengths[line] + 1;
    }
    return lines;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static hs_database_t *compile(struct lines words) {
    unsigned *flags = memory(words.count * sizeof *flags);
    unsigned *ids = memory(words.count * sizeof *ids);
    for (size_t word = 0; word < words.count; word++) {
        flags[word] = 0;
        ids[word] = (unsigned)word;
    }
    hs_database_t *database;
    hs_compile_error_t *error;
    if (hs_compile_lit_multi(words.starts, flags, ids, words.lengths, (unsigned)words.count,
                             HS_MODE_BLOCK, NULL, &database, &error) != HS_SUCCESS)
        fail("hs_compile_lit_multi", error->message);
    free(flags);
    free(ids);
    return database;
}

static int count_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                     void *hits) {
    (void)id, (void)from, (void)to, (void)flags;
    ++*(size_t *)hits;
    return 0;
}

static size_t scan(const hs_database_t *database, hs_scratch_t *scratch, const char *text,
                   size_t length) {
    size_t hits = 0;
    if (hs_scan(database, text, (unsigned)length, 0, scratch, count_hit, &hits) != HS_SUCCESS)
        fail("hs_scan", "it failed");
    return hits;
}

static hs_scratch_t *scratch_for(const hs_database_t *database) {
    hs_scratch_t *scratch = NULL;
    if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) fail("hs_alloc_scratch", "it failed");
    return scratch;
}

/* Fails on a known case, so that no table is made of wrong answers. */
static void check(void) {
    const char *words[] = {"赌博"};
    size_t length = strlen(words[0]);
    hs_database_t *database = compile((struct lines){1, words, &length});
    hs_scratch_t *scratch = scratch_for(database);
    const char *guilty = "去赌博吧", *benign = "去吧";
    if (scan(database, scratch, guilty, strlen(guilty)) != 1) fail(guilty, "one hit was expected");
    if (scan(database, scratch, benign, strlen(benign)) != 0) fail(benign, "no hit was expected");
    hs_free_scratch(scratch);
    hs_free_database(database);
}

/* Looks at lines, over and over, and reads the clock seldom enough not to be measured. */
static double ns_a_message(const hs_database_t *database, hs_scratch_t *scratch,
                           struct lines lines, double limit) {
    double started = seconds();
    size_t done = 0, next = 1;
    for (;;) {
        for (size_t line = 0; line < lines.count; line++) {
            scan(database, scratch, lines.starts[line], lines.lengths[line]);
            if (++done == next) {
                double elapsed = seconds() - started;
                if (elapsed > limit) return elapsed * 1e9 / (double)done;
                next += done < 256 ? done : 256;
            }
        }
    }
}

int main(int count, char **arguments) {
    if (count != 2) fail("usage", "hyperscan WORDS");
    check();
    struct lines words = lines_of(arguments[1]);
    double started = seconds();
    hs_database_t *database = compile(words);
    printf("%f\n", seconds() - started);
    fflush(stdout);
    hs_scratch_t *scratch = scratch_for(database);
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        /* A path may hold blanks, the limit does not. */
        char *limit = strrchr(line, ' ');
        if (strncmp(line, "time ", 5) != 0 || limit <= line + 5) fail(line, "not `time FILE MS`");
        *limit = 0;
        double ns = ns_a_message(database, scratch, lines_of(line + 5), atof(limit + 1) / 1e3);
        printf("%f\n", ns);
        fflush(stdout);
    }
    return 0;
}
