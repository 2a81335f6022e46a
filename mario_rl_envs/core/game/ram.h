/* The RAM map of Super Mario Bros, and how to read it. The meaning of each address is explained in
 * game/ram.py, which has the same names (tests/envs/core/test_native_rules.py compares them). */
#ifndef MARIO_RL_RAM_H
#define MARIO_RL_RAM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    RAM_PLAYER_STATE = 0x000E,
    RAM_ENEMY_ACTIVE = 0x000F,
    RAM_ENEMY_TYPES = 0x0016,
    RAM_PLAYER_FLOAT_STATE = 0x001D,
    RAM_PLAYER_X_PAGE = 0x006D,
    RAM_ENEMY_X_PAGE = 0x006E,
    RAM_PLAYER_X = 0x0086,
    RAM_ENEMY_X = 0x0087,
    RAM_PLAYER_VIEWPORT = 0x00B5,
    RAM_PLAYER_Y_LEVEL = 0x00CE,
    RAM_ENEMY_Y = 0x00CF,
    RAM_AREA_DATA = 0x00E7,
    RAM_PLAYER_Y_SCREEN = 0x03B8,
    RAM_BLOCK_BUFFER = 0x0500,
    RAM_AREA_CHANGE_TIMER = 0x06DE,
    RAM_SCREEN_LEFT_PAGE = 0x071A,
    RAM_SCREEN_LEFT_X = 0x071C,
    RAM_POWER = 0x0756,
    RAM_LIVES = 0x075A,
    RAM_STAGE = 0x075C,
    RAM_WORLD = 0x075F,
    RAM_AREA = 0x0760,
    RAM_GAME_MODE = 0x0770,
    RAM_PRE_LEVEL_TIMER = 0x07A0,
    RAM_SCORE = 0x07DE,
    RAM_COINS = 0x07ED,
    RAM_CLOCK = 0x07F8,
};

/* Values of RAM_PLAYER_STATE and others. */
enum {
    STATE_DEAD = 0x06,
    STATE_DYING = 0x0B,
    FLOAT_STATE_POLE = 3,
    ENEMY_BOWSER = 0x2D,
    ENEMY_FLAGPOLE = 0x31,
    NUM_FLAG_SLOTS = 5,
    MODE_WORLD_OVER = 2,
    LIVES_GAME_OVER = 0xFF,
};

typedef enum { POWER_SMALL, POWER_TALL, POWER_FIREBALL, NUM_POWERS } Power;

/* Digits, a byte each, as a number. A byte over 9 is joined as text, two or three digits long. */
static inline int64_t ram_decimal(const uint8_t *digits, int num_digits) {
    int64_t value = 0;
    for (int i = 0; i < num_digits; i++) {
        int64_t scale = digits[i] < 10 ? 10 : digits[i] < 100 ? 100 : 1000;
        value = value * scale + digits[i];
    }
    return value;
}

static inline int64_t ram_score(const uint8_t *ram) {
    return ram_decimal(ram + RAM_SCORE, 6);
}

static inline int64_t ram_coins(const uint8_t *ram) {
    return ram_decimal(ram + RAM_COINS, 2);
}

static inline int64_t ram_clock(const uint8_t *ram) {
    return ram_decimal(ram + RAM_CLOCK, 3);
}

/* Pixels from the start of the area. */
static inline int32_t ram_x(const uint8_t *ram) {
    return ram[RAM_PLAYER_X_PAGE] * 256 + ram[RAM_PLAYER_X];
}

/* Pixels above the bottom of the screen. */
static inline int32_t ram_y(const uint8_t *ram) {
    int32_t y = 255 - ram[RAM_PLAYER_Y_SCREEN];
    return ram[RAM_PLAYER_VIEWPORT] < 1 ? 255 + y : y;
}

/* Pixels from the left edge of the screen. */
static inline uint8_t ram_x_screen(const uint8_t *ram) {
    return (uint8_t)(ram[RAM_PLAYER_X] - ram[RAM_SCREEN_LEFT_X]);
}

static inline Power ram_power(const uint8_t *ram) {
    return ram[RAM_POWER] < POWER_FIREBALL ? (Power)ram[RAM_POWER] : POWER_FIREBALL;
}

static inline bool ram_is_dying(const uint8_t *ram) {
    return ram[RAM_PLAYER_STATE] == STATE_DYING || ram[RAM_PLAYER_VIEWPORT] > 1;
}

static inline bool ram_is_dead(const uint8_t *ram) {
    return ram[RAM_PLAYER_STATE] == STATE_DEAD;
}

static inline bool ram_is_busy(const uint8_t *ram) {
    return ram[RAM_PLAYER_STATE] <= 0x05 || ram[RAM_PLAYER_STATE] == 0x07;
}

static inline bool ram_is_world_over(const uint8_t *ram) {
    return ram[RAM_GAME_MODE] == MODE_WORLD_OVER;
}

static inline bool ram_is_flag_reached(const uint8_t *ram) {
    if (ram_is_world_over(ram)) {
        return true;
    }
    const uint8_t *enemies = ram + RAM_ENEMY_TYPES;
    return ram[RAM_PLAYER_FLOAT_STATE] == FLOAT_STATE_POLE &&
           (memchr(enemies, ENEMY_FLAGPOLE, NUM_FLAG_SLOTS) != NULL ||
            memchr(enemies, ENEMY_BOWSER, NUM_FLAG_SLOTS) != NULL);
}

/* A key that differs between all areas of all stages. */
static inline uint32_t ram_area_key(const uint8_t *ram) {
    return ram[RAM_AREA_DATA] | (uint32_t)ram[RAM_AREA_DATA + 1] << 8 |
           (uint32_t)ram[RAM_STAGE] << 16 | (uint32_t)ram[RAM_WORLD] << 24;
}

#endif
