/* Many decisions in a call, for a search: see exploration.h. */
#include "game/exploration.h"

#include <string.h>

static const char OUT_OF_MEMORY[] = "out of memory";

static void read_cell(const uint8_t *ram, const Exploration *exploration, uint8_t *cell) {
    for (size_t i = 0; i < exploration->cell_size; i++) {
        cell[i] = ram[exploration->addresses[i] % RAM_SIZE] & exploration->masks[i];
    }
}

const char *game_explore(Game *game, const Exploration *exploration, Discoveries *discoveries) {
    const uint8_t *ram = game->console.now.ram;
    size_t cell_size = exploration->cell_size;
    uint8_t *cell = discoveries->cells;
    discoveries->num_taken = 0;
    discoveries->is_over = false;
    discoveries->is_cleared = false;
    read_cell(ram, exploration, cell);
    for (int i = 0; i < exploration->num_decisions; i++, cell += cell_size) {
        Step step;
        const char *error =
            game_steps(game, exploration->buttons[i], exploration->skip, false, &step);
        if (error != NULL) {
            return error;
        }
        if (step.terminated) {
            discoveries->is_over = true;
            discoveries->is_cleared = step.info.flag_get;
            return NULL;
        }
        read_cell(ram, exploration, cell + cell_size);
        if (memcmp(cell, cell + cell_size, cell_size) != 0) {
            if (!snapshot_take(&discoveries->snapshots[i], game)) {
                return OUT_OF_MEMORY;
            }
            discoveries->is_new[i] = true;
        }
        discoveries->num_taken = i + 1;
    }
    return NULL;
}
