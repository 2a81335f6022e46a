/* The game on the console: steps, the end of an episode, and skipping frames without control.
 *
 * The rules are those of game/ram.py, rewards.py and skipping.py, where they are explained; here a
 * step of them is one call. tests/envs/core/test_native_rules.py compares the two.
 */
#ifndef MARIO_RL_GAME_H
#define MARIO_RL_GAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "game/info.h"
#include "game/recording.h"
#include "game/reward.h"
#include "machine/console.h"

typedef struct {
    Console console;
    Rules rules;
    RewardMemory memory;
    Recording *recording; /* NULL, or records every frame of `game_step`, drawn in colors then */
} Game;

typedef struct {
    double reward;
    double terms[MAX_REWARD_TERMS]; /* as in the rules, then the clip if there is one */
    bool terminated;
    Info info; /* right after the frame on which the buttons were held, before skipping */
} Step;

/* Insert a cartridge, which must outlive the game, and switch on. The rules have no terms yet. */
void game_init(Game *game, const Cartridge *cartridge);

/* Free what the game has allocated, the recording excepted, which is the caller's. */
void game_free(Game *game);

/* Write a byte of RAM. */
void game_poke(Game *game, uint16_t address, uint8_t value);

/* Begin an episode from the RAM as it is. Returns NULL, or what went wrong. */
const char *game_begin(Game *game);

/* Hold the buttons for one frame; unless that ends the episode, skip frames until the player has
 * control. Returns NULL, or what went wrong; then `step` is undefined.
 *
 * `draw`: whether the picture will be needed, see `console_advance`. */
const char *game_step(Game *game, uint8_t buttons, bool draw, Step *step);

/* Take `num_frames` steps with the same buttons, fewer if one ends the episode: rewards and terms
 * are summed, the rest is the last step's. What SkipFrame does. */
const char *game_steps(Game *game, uint8_t buttons, int num_frames, bool draw, Step *step);

/* The number of bytes of a save state. */
size_t game_state_size(void);

/* Write a save state of the machine, `game_state_size` bytes: the same on every computer. */
void game_save(const Game *game, uint8_t *out);

/* Load a save state. Returns NULL, or what is wrong with the bytes; then nothing has changed. */
const char *game_load(Game *game, const uint8_t *data, size_t size);

#endif
