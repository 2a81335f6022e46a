/* Which process this is: a fork copies memory, but of the threads only the one that forked. */
#ifndef MARIO_RL_PROCESS_H
#define MARIO_RL_PROCESS_H

enum { NO_PROCESS = 0 };

#ifdef _WIN32

typedef int Process; /* there is no fork */

static inline Process current_process(void) {
    return 1;
}

#else

#include <unistd.h>

typedef pid_t Process;

static inline Process current_process(void) {
    return getpid();
}

#endif
#endif
