/* Atomic counters, sequentially consistent: C11's where the compiler has them, else MSVC's. */
#ifndef MARIO_RL_ATOMIC_H
#define MARIO_RL_ATOMIC_H

#include <stdbool.h>

#if defined(_MSC_VER) && !defined(__clang__)

#include <intrin.h>

typedef struct {
    volatile long value;
} AtomicInt;

static inline void atomic_int_set(AtomicInt *atomic, int value) {
    _InterlockedExchange(&atomic->value, value);
}

static inline int atomic_int_get(AtomicInt *atomic) {
    return (int)_InterlockedOr(&atomic->value, 0);
}

/* Add, and return what it was before. */
static inline int atomic_int_add(AtomicInt *atomic, int value) {
    return (int)_InterlockedExchangeAdd(&atomic->value, value);
}

/* Set to `value` if it is `*expected`; else say in `*expected` what it is. */
static inline bool atomic_int_swap(AtomicInt *atomic, int *expected, int value) {
    int before = (int)_InterlockedCompareExchange(&atomic->value, value, *expected);
    bool is_swapped = before == *expected;
    *expected = before;
    return is_swapped;
}

#else

#include <stdatomic.h>

typedef struct {
    atomic_int value;
} AtomicInt;

static inline void atomic_int_set(AtomicInt *atomic, int value) {
    atomic_store(&atomic->value, value);
}

static inline int atomic_int_get(AtomicInt *atomic) {
    return atomic_load(&atomic->value);
}

/* Add, and return what it was before. */
static inline int atomic_int_add(AtomicInt *atomic, int value) {
    return atomic_fetch_add(&atomic->value, value);
}

/* Set to `value` if it is `*expected`; else say in `*expected` what it is. */
static inline bool atomic_int_swap(AtomicInt *atomic, int *expected, int value) {
    return atomic_compare_exchange_strong(&atomic->value, expected, value);
}

#endif

#endif
