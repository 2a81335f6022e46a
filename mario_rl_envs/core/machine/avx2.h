/* AVX2: 32 bytes an instruction, used where the processor has it. */
#ifndef MARIO_RL_AVX2_H
#define MARIO_RL_AVX2_H

#include <stdbool.h>

#if defined(__x86_64__) || defined(_M_X64)
#define IS_X86_64 1
#include <immintrin.h>
#else
#define IS_X86_64 0
#endif

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

/* A function that may use AVX2, whatever processor the rest is compiled for. */
#if defined(__GNUC__) || defined(__clang__)
#define AVX2_FUNCTION __attribute__((target("avx2")))
#else
#define AVX2_FUNCTION
#endif

/* Short loops over vectors, unrolled so that the vectors stay in registers. The others do it by
 * themselves. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLLED _Pragma("GCC unroll 8")
#else
#define UNROLLED
#endif

static inline bool has_avx2(void) {
#if !IS_X86_64
    return false;
#elif defined(_WIN32)
    return IsProcessorFeaturePresent(PF_AVX2_INSTRUCTIONS_AVAILABLE);
#else
    return __builtin_cpu_supports("avx2");
#endif
}

#endif
