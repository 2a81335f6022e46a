/* What a search needs of a game: many decisions in a call, and the cell that each of them leads to.
 *
 * A cell is what a search takes for one place: some bytes of the RAM, each with the bits that
 * count. Which these are, the caller says.
 */
#ifndef MARIO_RL_EXPLORATION_H
#define MARIO_RL_EXPLORATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "game/game.h"
#include "game/snapshot.h"

/* What is played: joypad bytes, each held for `skip` frames, [num_decisions]; and the bytes of a
 * cell, where they lie in the RAM and which of their bits count, [cell_size]. */
typedef struct {
    const uint8_t *buttons;
    int num_decisions;
    int skip;
    const uint16_t *addresses;
    const uint8_t *masks;
    size_t cell_size;
} Exploration;

/* What came of it. The caller makes the arrays, and frees the snapshots there are. */
typedef struct {
    int num_taken;   /* decisions that did not end the episode; the next one did, if any did */
    bool is_over;    /* whether one did */
    bool is_cleared; /* because the stage is cleared */
    uint8_t *cells;  /* [1 + num_decisions][cell_size]: of the start, then after each decision */
    bool *is_new;    /* [num_decisions], whether a cell differs from the one before; zeroed */
    Snapshot *snapshots; /* [num_decisions], there after decisions whose cell is new */
} Discoveries;

/* Explore from where the game is. Returns NULL, or what went wrong. */
const char *game_explore(Game *game, const Exploration *exploration, Discoveries *discoveries);

#endif
