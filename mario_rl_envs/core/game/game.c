/* The game on the console: see game.h. */
#include "game/game.h"

#include <string.h>

#include "game/ram.h"

enum {
    LAST_WORLD = 8,
    STATE_VERSION = 1, /* of what `game_save` writes, its first byte */
    NO_BUTTON = 0,
    MAX_SKIPPED_FRAMES = 20000,
};

static const char OUT_OF_MEMORY[] = "out of memory";
static const char NO_CONTROL[] =
    "the game gave no control back for 20000 frames: its memory is not one that play leads to; "
    "reset the environment";

static const char *advance(Game *game, uint8_t buttons, bool draw) {
    console_advance(&game->console, buttons, draw || game->recording != NULL);
    if (game->recording != NULL &&
        !recording_add(game->recording, console_picture(&game->console)->colors)) {
        return OUT_OF_MEMORY;
    }
    return NULL;
}

static const char *skip_frame(Game *game, int *num_skipped) {
    if (*num_skipped == MAX_SKIPPED_FRAMES) {
        return NO_CONTROL;
    }
    ++*num_skipped;
    return advance(game, NO_BUTTON, false);
}

/* Run to the next frame that the player controls, as game/skipping.py; count the frames. */
static const char *skip_uncontrolled(Game *game, int *num_skipped) {
    uint8_t *ram = game->console.now.ram;
    const char *error = NULL;
    if (ram_is_dying(ram)) {
        ram[RAM_PLAYER_STATE] = STATE_DEAD;
        error = skip_frame(game, num_skipped);
    }
    if (!game->rules.is_single_stage && ram_is_world_over(ram)) {
        int64_t clock = ram_clock(ram);
        while (error == NULL && ram_clock(ram) == clock) {
            error = skip_frame(game, num_skipped);
        }
    }
    if (ram[RAM_AREA_CHANGE_TIMER] > 1 && ram[RAM_AREA_CHANGE_TIMER] < 255) {
        ram[RAM_AREA_CHANGE_TIMER] = 1;
    }
    while (error == NULL && (ram_is_busy(ram) || ram_is_world_over(ram))) {
        ram[RAM_PRE_LEVEL_TIMER] = 0;
        error = skip_frame(game, num_skipped);
    }
    return error;
}

static bool is_over(const Game *game) {
    const uint8_t *ram = game->console.now.ram;
    if (game->rules.is_single_stage) {
        return ram_is_dying(ram) || ram_is_dead(ram) || ram_is_flag_reached(ram);
    }
    /* After 8-4 the game waits for a button for ever, so clearing it ends the episode too. */
    return ram[RAM_LIVES] == LIVES_GAME_OVER ||
           (ram_is_world_over(ram) && ram[RAM_WORLD] + 1 == LAST_WORLD);
}

void game_init(Game *game, const Cartridge *cartridge) {
    memset(game, 0, sizeof *game);
    game->rules.is_single_stage = true;
    console_init(&game->console, cartridge);
}

void game_free(Game *game) {
    reward_free(&game->memory);
}

void game_poke(Game *game, uint16_t address, uint8_t value) {
    game->console.now.ram[address % RAM_SIZE] = value;
}

size_t game_state_size(void) {
    return 1 + console_state_size();
}

void game_save(const Game *game, uint8_t *out) {
    out[0] = STATE_VERSION;
    console_save(&game->console, out + 1);
}

const char *game_load(Game *game, const uint8_t *data, size_t size) {
    if (size == 0 || data[0] != STATE_VERSION) {
        return "it is from another version of the native console";
    }
    return console_load(&game->console, data + 1, size - 1);
}

const char *game_begin(Game *game) {
    return reward_begin(&game->memory, game->console.now.ram) ? NULL : OUT_OF_MEMORY;
}

const char *game_step(Game *game, uint8_t buttons, bool draw, Step *step) {
    const uint8_t *ram = game->console.now.ram;
    const char *error = advance(game, buttons, draw);
    if (error != NULL) {
        return error;
    }
    if (!reward_frame(&game->memory, &game->rules, ram, &step->reward, step->terms)) {
        return OUT_OF_MEMORY;
    }
    info_read(ram, &step->info);
    step->terminated = is_over(game);
    if (step->terminated) {
        return NULL;
    }
    int num_skipped = 0;
    error = skip_uncontrolled(game, &num_skipped);
    if (error == NULL && num_skipped > 0 && !reward_enter_area(&game->memory, ram)) {
        error = OUT_OF_MEMORY;
    }
    return error;
}

const char *game_steps(Game *game, uint8_t buttons, int num_frames, bool draw, Step *step) {
    int num_terms = reward_num_terms(&game->rules);
    double reward = 0.0;
    double terms[MAX_REWARD_TERMS] = {0.0};
    for (int frame = 1; frame <= num_frames; frame++) {
        const char *error = game_step(game, buttons, draw && frame == num_frames, step);
        if (error != NULL) {
            return error;
        }
        reward += step->reward;
        for (int i = 0; i < num_terms; i++) {
            terms[i] += step->terms[i];
        }
        if (step->terminated) {
            break;
        }
    }
    step->reward = reward;
    memcpy(step->terms, terms, sizeof terms);
    return NULL;
}
