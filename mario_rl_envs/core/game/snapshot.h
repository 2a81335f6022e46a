/* A snapshot: a game at one moment, kept in memory and restored by copying.
 *
 * Save states (game_save) are bytes for other processes and computers, checked when they are
 * loaded. A snapshot never leaves the process, so nothing has to be checked or decoded.
 */
#ifndef MARIO_RL_SNAPSHOT_H
#define MARIO_RL_SNAPSHOT_H

#include <stdbool.h>

#include "game/game.h"

/* All of an episode but its rules, its recording and its picture, which is drawn again on demand. */
typedef struct {
    Machine now;
    Machine before;
    RewardMemory memory;
} Snapshot;

/* Take a snapshot of a game whose episode has begun. Returns false if memory is out; then there is
 * nothing to free. */
bool snapshot_take(Snapshot *snapshot, const Game *game);

/* Make a game with the same cartridge what it was. Returns false, and changes nothing, if memory is
 * out. */
bool snapshot_restore(const Snapshot *snapshot, Game *game);

void snapshot_free(Snapshot *snapshot);

#endif
