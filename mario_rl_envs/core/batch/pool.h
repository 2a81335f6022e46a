/* A pool of threads that share out the items of one job at a time. */
#ifndef MARIO_RL_POOL_H
#define MARIO_RL_POOL_H

typedef struct Pool Pool;

/* What is done for one item; called from several threads at once, each time with another index.
 * `thread`, from 0 to the number of threads - 1, is different in each of them. */
typedef void (*PoolTask)(void *context, int thread, int index);

/* Return a pool of so many threads, the one that calls `pool_run` included; NULL if there is no
 * memory for it. The threads are started by the first job that needs them. */
Pool *pool_create(int num_threads);

/* Do `task` for the indices 0 to `count` - 1 and return when all are done. One thread at a time may
 * call this. Where the system refuses threads, those that there are do the work. */
void pool_run(Pool *pool, PoolTask task, void *context, int count);

/* End the threads and free the pool; NULL is fine. */
void pool_destroy(Pool *pool);

#endif
