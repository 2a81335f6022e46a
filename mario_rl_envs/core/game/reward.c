/* The reward: see reward.h. */
#include "game/reward.h"

#include <stdlib.h>
#include <string.h>

#include "game/ram.h"

/* A product that is rounded before it is summed, as Python rounds it: no fused multiply-add. (GCC
 * fuses nothing under -std=c11.) */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

enum {
    MAX_VELOCITY = 5,
    MAX_STRIDE = 16,
    COINS_PER_LIFE = 100,
    FIRST_CAPACITY = 4, /* frontiers; a stage has three areas at most */
};

ptrdiff_t reward_frontier(RewardMemory *memory, uint32_t area, int32_t x) {
    for (size_t i = memory->num_frontiers; i-- > 0;) {
        if (memory->frontiers[i].area == area) {
            return (ptrdiff_t)i;
        }
    }
    if (memory->num_frontiers == memory->capacity) {
        size_t capacity = memory->capacity ? 2 * memory->capacity : FIRST_CAPACITY;
        Frontier *frontiers = realloc(memory->frontiers, capacity * sizeof *frontiers);
        if (frontiers == NULL) {
            return -1;
        }
        memory->frontiers = frontiers;
        memory->capacity = capacity;
    }
    memory->frontiers[memory->num_frontiers] = (Frontier){area, x};
    return (ptrdiff_t)memory->num_frontiers++;
}

void reward_free(RewardMemory *memory) {
    free(memory->frontiers);
    *memory = (RewardMemory){0};
}

bool reward_enter_area(RewardMemory *memory, const uint8_t *ram) {
    int32_t x = ram_x(ram);
    ptrdiff_t area = reward_frontier(memory, ram_area_key(ram), x);
    if (area < 0) {
        return false;
    }
    memory->area = (size_t)area;
    Frontier *frontier = &memory->frontiers[area];
    frontier->x = x > frontier->x ? x : frontier->x;
    return true;
}

/* The pixels of new ground, or -1 if memory is out. */
static int32_t new_ground(RewardMemory *memory, const uint8_t *ram) {
    if (memory->frontiers[memory->area].area != ram_area_key(ram)) {
        if (ram_is_busy(ram)) { /* loading: the position may still be that of the area before */
            return 0;
        }
        if (!reward_enter_area(memory, ram)) {
            return -1;
        }
    }
    Frontier *frontier = &memory->frontiers[memory->area];
    int32_t stride = ram_x(ram) - frontier->x;
    if (stride <= 0 || stride > MAX_STRIDE) {
        return 0;
    }
    frontier->x += stride;
    return stride;
}

static void remember(RewardMemory *memory, const uint8_t *ram) {
    memory->x = ram_x(ram);
    memory->clock = ram_clock(ram);
    memory->score = ram_score(ram);
    memory->coins = ram_coins(ram);
    memory->dead = ram_is_dying(ram) || ram_is_dead(ram);
    memory->flag = ram_is_flag_reached(ram);
}

/* What each term counted on this frame. Returns false if memory is out. */
static bool term_values(RewardMemory *memory, const uint8_t *ram, int64_t values[NUM_TERMS]) {
    const RewardMemory before = *memory;
    remember(memory, ram);
    int32_t ground = new_ground(memory, ram);
    if (ground < 0) {
        return false;
    }
    int32_t velocity = memory->x - before.x;
    int64_t ticks = memory->clock - before.clock;
    int64_t coins = memory->coins - before.coins;
    if (coins < -COINS_PER_LIFE / 2) { /* the hundredth is a life, and the counter starts anew */
        coins += COINS_PER_LIFE;
    }
    values[TERM_VELOCITY] = abs(velocity) <= MAX_VELOCITY ? velocity : 0;
    values[TERM_PROGRESS] = ground;
    values[TERM_CLOCK] = ticks < 0 ? ticks : 0;
    values[TERM_DYING] = memory->dead;
    values[TERM_DEATH] = memory->dead && !before.dead;
    values[TERM_FLAG] = memory->flag && !before.flag;
    values[TERM_SCORE] = memory->score - before.score;
    values[TERM_COINS] = coins;
    return true;
}

int reward_num_terms(const Rules *rules) {
    return rules->num_terms + rules->has_clip;
}

bool reward_begin(RewardMemory *memory, const uint8_t *ram) {
    memory->num_frontiers = 0;
    remember(memory, ram);
    return reward_enter_area(memory, ram);
}

bool reward_frame(RewardMemory *memory, const Rules *rules, const uint8_t *ram, double *reward,
                  double *terms) {
    int64_t values[NUM_TERMS];
    if (!term_values(memory, ram, values)) {
        return false;
    }
    double total = 0.0;
    for (int i = 0; i < rules->num_terms; i++) {
        terms[i] = rules->weights[i] * (double)values[rules->terms[i]];
        total += terms[i];
    }
    if (rules->has_clip) {
        double clipped = total < rules->clip ? total : rules->clip;
        clipped = clipped > -rules->clip ? clipped : -rules->clip;
        terms[rules->num_terms] = clipped - total;
        total = clipped;
    }
    *reward = total;
    return true;
}

bool reward_copy(RewardMemory *memory, const RewardMemory *from) {
    if (memory->capacity < from->num_frontiers) {
        Frontier *frontiers = realloc(memory->frontiers, from->num_frontiers * sizeof *frontiers);
        if (frontiers == NULL) {
            return false;
        }
        memory->frontiers = frontiers;
        memory->capacity = from->num_frontiers;
    }
    Frontier *frontiers = memory->frontiers;
    size_t capacity = memory->capacity;
    *memory = *from;
    memory->frontiers = frontiers;
    memory->capacity = capacity;
    if (from->num_frontiers > 0) {
        memcpy(frontiers, from->frontiers, from->num_frontiers * sizeof *frontiers);
    }
    return true;
}
