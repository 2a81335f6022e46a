/* A snapshot of a game: see snapshot.h. */
#include "game/snapshot.h"

bool snapshot_take(Snapshot *snapshot, const Game *game) {
    *snapshot = (Snapshot){.now = game->console.now, .before = game->console.before};
    return reward_copy(&snapshot->memory, &game->memory);
}

bool snapshot_restore(const Snapshot *snapshot, Game *game) {
    if (!reward_copy(&game->memory, &snapshot->memory)) {
        return false;
    }
    console_restore(&game->console, &snapshot->now, &snapshot->before);
    return true;
}

void snapshot_free(Snapshot *snapshot) {
    reward_free(&snapshot->memory);
}
