/* A pool of threads that share out the items of one job at a time.
 *
 * A job is short (some hundred microseconds for a few games), and the next one follows soon. Waking
 * a sleeping thread can take as long as a game's step, so threads that run out of work look for
 * more for a while before they sleep. The calling thread works too, and waits in the end for
 * the items that others took, not for the other threads: one that sleeps through a job delays
 * nothing.
 *
 * `num_left` both says that there is work and shares it out. The thread that lowers it to n owns
 * item n, and while that item is not done the job cannot change. So a thread that was preempted for
 * long takes either nothing or an item of the current job.
 */
#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L /* signals and threads beside C11 */
#endif

#include "batch/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "batch/atomic.h"
#include "batch/process.h"

#ifdef _WIN32
#include <process.h>
#include <windows.h>
#else
#include <pthread.h>
#include <signal.h>
#endif

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#include <immintrin.h>
#endif

enum {
    SPIN_NANOSECONDS = 100000, /* how long to look for work before sleeping */
    PAUSES_PER_LOOK = 32,      /* at the clock */
};

#ifdef _WIN32

typedef HANDLE Thread;
typedef SRWLOCK Mutex;
typedef CONDITION_VARIABLE Condition;

static void mutex_init(Mutex *mutex) {
    InitializeSRWLock(mutex);
}
static void mutex_destroy(Mutex *mutex) {
    (void)mutex; /* nothing to free */
}
static void mutex_lock(Mutex *mutex) {
    AcquireSRWLockExclusive(mutex);
}
static void mutex_unlock(Mutex *mutex) {
    ReleaseSRWLockExclusive(mutex);
}
static void condition_init(Condition *condition) {
    InitializeConditionVariable(condition);
}
static void condition_destroy(Condition *condition) {
    (void)condition; /* nothing to free */
}
static void condition_wait(Condition *condition, Mutex *mutex) {
    SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
}
static void condition_wake_all(Condition *condition) {
    WakeAllConditionVariable(condition);
}

static uint64_t nanoseconds(void) {
    LARGE_INTEGER ticks, ticks_per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&ticks_per_second);
    return (uint64_t)((double)ticks.QuadPart * 1e9 / (double)ticks_per_second.QuadPart);
}

#else

typedef pthread_t Thread;
typedef pthread_mutex_t Mutex;
typedef pthread_cond_t Condition;

static void mutex_init(Mutex *mutex) {
    pthread_mutex_init(mutex, NULL);
}
static void mutex_destroy(Mutex *mutex) {
    pthread_mutex_destroy(mutex);
}
static void mutex_lock(Mutex *mutex) {
    pthread_mutex_lock(mutex);
}
static void mutex_unlock(Mutex *mutex) {
    pthread_mutex_unlock(mutex);
}
static void condition_init(Condition *condition) {
    pthread_cond_init(condition, NULL);
}
static void condition_destroy(Condition *condition) {
    pthread_cond_destroy(condition);
}
static void condition_wait(Condition *condition, Mutex *mutex) {
    pthread_cond_wait(condition, mutex);
}
static void condition_wake_all(Condition *condition) {
    pthread_cond_broadcast(condition);
}
static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

#endif

/* A thread beside the caller's, which is number 0. */
typedef struct {
    Thread thread;
    Pool *pool;
    int number;
} Helper;

struct Pool {
    int num_helpers; /* wanted */
    int num_started;
    Process process; /* that the threads live in */
    Helper *helpers;

    PoolTask task;
    void *context;
    AtomicInt num_left;   /* items that no thread has taken */
    AtomicInt num_undone; /* items that are not done */

    Mutex mutex; /* held to fall asleep and to wake, so that no wake-up is missed */
    Condition work;
    Condition done;
    AtomicInt num_asleep;
    AtomicInt is_caller_asleep;
    AtomicInt is_ending;
};

static void pause_processor(void) {
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
    _mm_pause();
#elif (defined(__aarch64__) || defined(__arm__)) && !defined(_MSC_VER)
    __asm__ __volatile__("yield");
#endif
}

/* Wait a little; return whether SPIN_NANOSECONDS are over. */
static bool spin(uint64_t began) {
    for (int i = 0; i < PAUSES_PER_LOOK; i++) {
        pause_processor();
    }
    return nanoseconds() - began > SPIN_NANOSECONDS;
}

static void wake(Pool *pool, Condition *condition) {
    mutex_lock(&pool->mutex);
    condition_wake_all(condition);
    mutex_unlock(&pool->mutex);
}

static void do_items(Pool *pool, int thread) {
    int num_left = atomic_int_get(&pool->num_left);
    while (num_left > 0) {
        if (!atomic_int_swap(&pool->num_left, &num_left, num_left - 1)) {
            continue;
        }
        pool->task(pool->context, thread, num_left - 1);
        if (atomic_int_add(&pool->num_undone, -1) == 1 && atomic_int_get(&pool->is_caller_asleep)) {
            wake(pool, &pool->done);
        }
        num_left = atomic_int_get(&pool->num_left);
    }
}

static bool has_news(Pool *pool) {
    return atomic_int_get(&pool->num_left) > 0 || atomic_int_get(&pool->is_ending);
}

static void wait_for_news(Pool *pool) {
    uint64_t began = nanoseconds();
    while (!has_news(pool)) {
        if (spin(began)) {
            mutex_lock(&pool->mutex);
            atomic_int_add(&pool->num_asleep, 1);
            while (!has_news(pool)) {
                condition_wait(&pool->work, &pool->mutex);
            }
            atomic_int_add(&pool->num_asleep, -1);
            mutex_unlock(&pool->mutex);
        }
    }
}

static void help(const Helper *helper) {
    Pool *pool = helper->pool;
    while (!atomic_int_get(&pool->is_ending)) {
        do_items(pool, helper->number);
        wait_for_news(pool);
    }
}

#ifdef _WIN32

static unsigned __stdcall helper_main(void *helper) {
    help(helper);
    return 0;
}

static bool thread_start(Helper *helper) {
    helper->thread = (HANDLE)_beginthreadex(NULL, 0, helper_main, helper, 0, NULL);
    return helper->thread != NULL;
}

static void thread_join(Thread thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

#else

static void *helper_main(void *helper) {
    help(helper);
    return NULL;
}

/* Signals are for the threads of the program: a new thread inherits that all are blocked. */
static bool thread_start(Helper *helper) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_create(&helper->thread, NULL, helper_main, helper) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_started;
}

static void thread_join(Thread thread) {
    pthread_join(thread, NULL);
}

#endif

/* Start from nothing: in a new pool, and in a child process, which has the memory of its parent's
 * pool but not its threads. */
static void begin(Pool *pool) {
    pool->num_started = 0;
    pool->process = current_process();
    atomic_int_set(&pool->num_left, 0);
    atomic_int_set(&pool->num_undone, 0);
    mutex_init(&pool->mutex);
    condition_init(&pool->work);
    condition_init(&pool->done);
    atomic_int_set(&pool->num_asleep, 0);
    atomic_int_set(&pool->is_caller_asleep, 0);
    atomic_int_set(&pool->is_ending, 0);
}

Pool *pool_create(int num_threads) {
    Pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    pool->num_helpers = num_threads > 1 ? num_threads - 1 : 0;
    pool->helpers = calloc((size_t)pool->num_helpers + 1, sizeof *pool->helpers);
    if (pool->helpers == NULL) {
        free(pool);
        return NULL;
    }
    begin(pool);
    return pool;
}

static void start_helpers(Pool *pool, int num_wanted) {
    if (pool->process != current_process()) {
        begin(pool);
    }
    while (pool->num_started < num_wanted) {
        Helper *helper = &pool->helpers[pool->num_started];
        helper->pool = pool;
        helper->number = pool->num_started + 1;
        if (!thread_start(helper)) {
            return; /* the next job tries again */
        }
        pool->num_started++;
    }
}

static void wait_for_others(Pool *pool) {
    uint64_t began = nanoseconds();
    while (atomic_int_get(&pool->num_undone) > 0) {
        if (spin(began)) {
            mutex_lock(&pool->mutex);
            atomic_int_set(&pool->is_caller_asleep, 1);
            while (atomic_int_get(&pool->num_undone) > 0) {
                condition_wait(&pool->done, &pool->mutex);
            }
            atomic_int_set(&pool->is_caller_asleep, 0);
            mutex_unlock(&pool->mutex);
        }
    }
}

void pool_run(Pool *pool, PoolTask task, void *context, int count) {
    int num_wanted = count - 1 < pool->num_helpers ? count - 1 : pool->num_helpers;
    if (num_wanted <= 0) {
        for (int i = 0; i < count; i++) {
            task(context, 0, i);
        }
        return;
    }
    start_helpers(pool, num_wanted);
    pool->task = task;
    pool->context = context;
    atomic_int_set(&pool->num_undone, count);
    atomic_int_set(&pool->num_left, count);
    if (atomic_int_get(&pool->num_asleep) > 0) {
        wake(pool, &pool->work);
    }
    do_items(pool, 0);
    wait_for_others(pool);
}

void pool_destroy(Pool *pool) {
    if (pool == NULL) {
        return;
    }
    if (pool->process == current_process()) {
        atomic_int_set(&pool->is_ending, 1);
        wake(pool, &pool->work);
        for (int i = 0; i < pool->num_started; i++) {
            thread_join(pool->helpers[i].thread);
        }
        condition_destroy(&pool->work);
        condition_destroy(&pool->done);
        mutex_destroy(&pool->mutex);
    }
    free(pool->helpers);
    free(pool);
}
