/*
 * A trace of the crate: what `shuttle-tests/tests/traces.rs` writes, in the file that the
 * variable TRACE of the environment names. For `line.pml` with -DTRACE.
 *
 * The model may take a step that changes the word, or lets the lock go with another line than
 * before, only if the trace has the same change by the same process next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 250, PLACES = 8 };

/* What can be seen after so many events. */
struct seen {
    char kind; /* W for the word, K for the lock that is taken, L for the line. */
    int thread, word[4];
    int length, line[PLACES][3];
};

static struct seen *seen;
static int events;
/* What each user asks for. */
static int needs[PLACES];

static void bad(const char *why)
{
    fprintf(stderr, "trace: %s\n", why);
    exit(2);
}

static void number(FILE *file, int *to)
{
    if (fscanf(file, "%d", to) != 1)
        bad("a number is missing");
}

static void read_trace(int users, int max)
{
    const char *name = getenv("TRACE");
    FILE *file = name ? fopen(name, "r") : NULL;
    char kind;
    int i, j;
    if (!file)
        bad("no file");
    seen = calloc(LONGEST + 1, sizeof *seen);
    seen[0].word[1] = max;
    for (i = 0; i < users; i++)
        number(file, &needs[i]);
    while (fscanf(file, " %c", &kind) == 1) {
        struct seen *now = &seen[events + 1];
        if (events++ == LONGEST)
            bad("too long");
        *now = now[-1];
        now->kind = kind;
        number(file, &now->thread);
        if (kind == 'W') {
            for (i = 0; i < 4; i++)
                number(file, &now->word[i]);
        } else if (kind == 'L') {
            memset(now->line, 0, sizeof now->line);
            number(file, &now->length);
            if (now->length > PLACES)
                bad("too many wait");
            for (i = 0; i < now->length; i++) {
                for (j = 0; j < 3; j++)
                    number(file, &now->line[i][j]);
                /* Thread 0 has begun the users. */
                now->line[i][0]--;
            }
        }
    }
    fclose(file);
}

/* The next event, if `actor` may have made it. Threads after the users are no users. */
static struct seen *next(int at, int actor, int users, char kind)
{
    struct seen *event = &seen[at + 1];
    int who = event->thread > users ? 254 : event->thread - 1;
    return at < events && event->kind == kind && who == actor ? event : NULL;
}
