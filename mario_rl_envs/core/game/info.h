/* The info: what a step returns beside observation and reward, read from the RAM.
 *
 * INFO_KEYS is the only list of its keys. The struct, the columns of a vector, the dict and the
 * names that Python sees are all made from it; rules.py has the same keys in the same order, and
 * tests/envs/core/test_native_rules.py compares the two.
 */
#ifndef MARIO_RL_INFO_H
#define MARIO_RL_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "game/ram.h"

/* In the order of Info in rules.py: each key, and its value in terms of `ram`. A NUMBER is an int,
 * a FLAG a bool, a POWER the name of a Power. */
/* clang-format off */
#define INFO_KEYS(NUMBER, FLAG, POWER)          \
    NUMBER(coins, ram_coins(ram))               \
    FLAG(flag_get, ram_is_flag_reached(ram))    \
    NUMBER(life, ram[RAM_LIVES])                \
    NUMBER(score, ram_score(ram))               \
    NUMBER(stage, ram[RAM_STAGE] + 1)           \
    POWER(status, ram_power(ram))               \
    NUMBER(time, ram_clock(ram))                \
    NUMBER(world, ram[RAM_WORLD] + 1)           \
    NUMBER(x_pos, ram_x(ram))                   \
    NUMBER(y_pos, ram_y(ram))                   \
    NUMBER(area, ram[RAM_AREA] + 1)             \
    NUMBER(x_screen, ram_x_screen(ram))         \
    NUMBER(state, ram[RAM_PLAYER_STATE])
/* clang-format on */

#define INFO_OMIT(name, value)

#define INFO_NUMBER_FIELD(name, value) int64_t name;
#define INFO_FLAG_FIELD(name, value) bool name;
#define INFO_POWER_FIELD(name, value) Power name;

typedef struct {
    INFO_KEYS(INFO_NUMBER_FIELD, INFO_FLAG_FIELD, INFO_POWER_FIELD)
} Info;

/* The columns of a table of infos: the numbers, then the powers. Flags have another table. */
#define INFO_COLUMN(name, value) COLUMN_##name,
#define INFO_FLAG_COLUMN(name, value) FLAG_##name,

enum {
    INFO_KEYS(INFO_COLUMN, INFO_OMIT, INFO_OMIT) INFO_KEYS(INFO_OMIT, INFO_OMIT, INFO_COLUMN)
        NUM_COLUMNS
};
enum { INFO_KEYS(INFO_OMIT, INFO_FLAG_COLUMN, INFO_OMIT) NUM_FLAGS };
enum { NUM_INFO_KEYS = NUM_COLUMNS + NUM_FLAGS };

/* Read the info from the RAM as it is. */
void info_read(const uint8_t *ram, Info *info);

/* Write the info into column `index` of tables of `count` games: int64 [NUM_COLUMNS][count] and
 * bytes [NUM_FLAGS][count]. */
void info_write(const Info *info, int64_t *columns, uint8_t *flags, size_t count, size_t index);

#endif
