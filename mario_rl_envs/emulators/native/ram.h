/* Where Super Mario Bros keeps things in the console's RAM; what they mean is told in game/ram.py,
 * which has the same names (tests/envs/test_native_rules.py compares them). */
#ifndef MARIO_RL_RAM_H
#define MARIO_RL_RAM_H

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

#endif
