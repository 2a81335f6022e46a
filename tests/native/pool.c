/* Checks the pool of threads: every item of every job is done once, and before the job returns.
 *
 * Prints nothing and exits with 0 if all is well; tests/envs/core/test_pool.py builds and runs it. With
 * the argument "fork" child processes use the pool too (ThreadSanitizer does not support that).
 */
#define _POSIX_C_SOURCE 200809L

#include "batch/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_ITEMS = 64,
    MAX_THREADS = 5,
    NUM_JOBS = 2000,
    LONG_ENOUGH_TO_SLEEP = 300000, /* nanoseconds */
};

typedef struct {
    int num_done[MAX_ITEMS];      /* written by the threads without locks: each has its own item */
    int num_done_by[MAX_THREADS]; /* the same: each has its own number */
    unsigned sums[MAX_ITEMS];
    unsigned work;
} Job;

static void do_item(void *context, int thread, int index) {
    Job *job = context;
    if (thread < 0 || thread >= MAX_THREADS) {
        fprintf(stderr, "thread %d does an item\n", thread);
        exit(EXIT_FAILURE);
    }
    job->num_done_by[thread]++;
    for (unsigned i = 0; i < job->work; i++) {
        job->sums[index] += i;
    }
    job->num_done[index]++;
}

static void wait_a_little(void) {
    struct timespec time = {0, LONG_ENOUGH_TO_SLEEP};
    nanosleep(&time, NULL);
}

static int run_jobs(Pool *pool, int num_jobs) {
    for (int i = 0; i < num_jobs; i++) {
        Job job = {.work = (unsigned)(i % 7) * 300};
        int count = i % (MAX_ITEMS + 1);
        pool_run(pool, do_item, &job, count);
        int num_done = 0;
        for (int thread = 0; thread < MAX_THREADS; thread++) {
            num_done += job.num_done_by[thread];
        }
        if (num_done != count) {
            fprintf(stderr, "job %d of %d items: %d were counted\n", i, count, num_done);
            return EXIT_FAILURE;
        }
        for (int item = 0; item < MAX_ITEMS; item++) {
            if (job.num_done[item] != (item < count)) {
                fprintf(stderr, "job %d of %d items: item %d was done %d times\n", i, count, item,
                        job.num_done[item]);
                return EXIT_FAILURE;
            }
        }
        if (i % 50 == 0) {
            wait_a_little();
        }
    }
    return EXIT_SUCCESS;
}

static int run_in_child(Pool *pool) {
    pid_t child = fork();
    if (child == 0) {
        int result = run_jobs(pool, 100);
        pool_destroy(pool);
        _exit(result);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static int destroy_in_child(Pool *pool) {
    pid_t child = fork();
    if (child == 0) {
        pool_destroy(pool);
        _exit(EXIT_SUCCESS);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    int has_children = argc > 1 && strcmp(argv[1], "fork") == 0;
    int result = EXIT_SUCCESS;
    for (int num_threads = 1; num_threads <= MAX_THREADS; num_threads++) {
        Pool *pool = pool_create(num_threads);
        if (pool == NULL) {
            return EXIT_FAILURE;
        }
        result |= run_jobs(pool, NUM_JOBS);
        if (has_children) {
            result |= run_in_child(pool);
            result |= destroy_in_child(pool);
        }
        result |= run_jobs(pool, 10);
        pool_destroy(pool);
    }
    for (int i = 0; i < 50; i++) { /* ended while the threads look for work, or sleep */
        Pool *pool = pool_create(3);
        result |= run_jobs(pool, 4);
        if (i % 2) {
            wait_a_little();
        }
        pool_destroy(pool);
    }
    pool_destroy(NULL);
    return result;
}
