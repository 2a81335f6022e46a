/* The game in the console: its rewards, its ends, what it says about itself, and the frames that no
 * player controls. */
#include "game.h"

#include <stdlib.h>
#include <string.h>

#include "ram.h"

/* A product that is rounded before it is summed, as Python rounds it: no fused multiply-add. (GCC
 * fuses nothing under -std=c11.) */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

enum {
    STATE_DEAD = 0x06,
    STATE_DYING = 0x0B,
    FLOAT_STATE_POLE = 3,
    ENEMY_BOWSER = 0x2D,
    ENEMY_FLAGPOLE = 0x31,
    NUM_FLAG_SLOTS = 5,
    MODE_WORLD_OVER = 2,
    LIVES_GAME_OVER = 0xFF,
    LAST_WORLD = 8,

    MAX_VELOCITY = 5,
    MAX_STRIDE = 16,
    COINS_PER_LIFE = 100,

    STATE_VERSION = 1, /* of what `game_save` writes, its first byte */

    NO_BUTTON = 0,
    MAX_SKIPPED_FRAMES = 20000,
    FIRST_CAPACITY = 4, /* frontiers; a stage has three areas at most */
};

static const char OUT_OF_MEMORY[] = "out of memory";
static const char NO_CONTROL[] =
    "the game gave no control back for 20000 frames: its memory is not one that play leads to; "
    "reset the environment";

/* The RAM, decoded. */

/* A byte over 9 is joined as text, two or three digits long. */
static int64_t decimal(const uint8_t *digits, int num_digits) {
    int64_t value = 0;
    for (int i = 0; i < num_digits; i++) {
        int64_t scale = digits[i] < 10 ? 10 : digits[i] < 100 ? 100 : 1000;
        value = value * scale + digits[i];
    }
    return value;
}

static int64_t score_of(const uint8_t *ram) {
    return decimal(ram + RAM_SCORE, 6);
}

static int64_t coins_of(const uint8_t *ram) {
    return decimal(ram + RAM_COINS, 2);
}

static int64_t clock_of(const uint8_t *ram) {
    return decimal(ram + RAM_CLOCK, 3);
}

static int32_t x_of(const uint8_t *ram) {
    return ram[RAM_PLAYER_X_PAGE] * 256 + ram[RAM_PLAYER_X];
}

static int32_t y_of(const uint8_t *ram) {
    int32_t y = 255 - ram[RAM_PLAYER_Y_SCREEN];
    return ram[RAM_PLAYER_VIEWPORT] < 1 ? 255 + y : y;
}

static Power power_of(const uint8_t *ram) {
    return ram[RAM_POWER] < POWER_FIREBALL ? (Power)ram[RAM_POWER] : POWER_FIREBALL;
}

uint32_t game_area_key(const uint8_t *ram) {
    return ram[RAM_AREA_DATA] | (uint32_t)ram[RAM_AREA_DATA + 1] << 8 |
           (uint32_t)ram[RAM_STAGE] << 16 | (uint32_t)ram[RAM_WORLD] << 24;
}

static bool is_dying(const uint8_t *ram) {
    return ram[RAM_PLAYER_STATE] == STATE_DYING || ram[RAM_PLAYER_VIEWPORT] > 1;
}

static bool is_dead(const uint8_t *ram) {
    return ram[RAM_PLAYER_STATE] == STATE_DEAD;
}

static bool is_busy(const uint8_t *ram) {
    return ram[RAM_PLAYER_STATE] <= 0x05 || ram[RAM_PLAYER_STATE] == 0x07;
}

static bool is_world_over(const uint8_t *ram) {
    return ram[RAM_GAME_MODE] == MODE_WORLD_OVER;
}

static bool is_flag_reached(const uint8_t *ram) {
    if (is_world_over(ram)) {
        return true;
    }
    const uint8_t *enemies = ram + RAM_ENEMY_TYPES;
    return ram[RAM_PLAYER_FLOAT_STATE] == FLOAT_STATE_POLE &&
           (memchr(enemies, ENEMY_FLAGPOLE, NUM_FLAG_SLOTS) != NULL ||
            memchr(enemies, ENEMY_BOWSER, NUM_FLAG_SLOTS) != NULL);
}

void game_info(const uint8_t *ram, Info *info) {
    *info = (Info){
        .coins = coins_of(ram),
        .flag_get = is_flag_reached(ram),
        .life = ram[RAM_LIVES],
        .score = score_of(ram),
        .stage = ram[RAM_STAGE] + 1,
        .status = power_of(ram),
        .time = clock_of(ram),
        .world = ram[RAM_WORLD] + 1,
        .x_pos = x_of(ram),
        .y_pos = y_of(ram),
        .area = ram[RAM_AREA] + 1,
        .x_screen = (uint8_t)(ram[RAM_PLAYER_X] - ram[RAM_SCREEN_LEFT_X]),
        .state = ram[RAM_PLAYER_STATE],
    };
}

/* The reward. */

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

static bool enter_area(RewardMemory *memory, const uint8_t *ram) {
    int32_t x = x_of(ram);
    ptrdiff_t area = reward_frontier(memory, game_area_key(ram), x);
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
    if (memory->frontiers[memory->area].area != game_area_key(ram)) {
        if (is_busy(ram)) { /* loading: the position may still be that of the area before */
            return 0;
        }
        if (!enter_area(memory, ram)) {
            return -1;
        }
    }
    Frontier *frontier = &memory->frontiers[memory->area];
    int32_t stride = x_of(ram) - frontier->x;
    if (stride <= 0 || stride > MAX_STRIDE) {
        return 0;
    }
    frontier->x += stride;
    return stride;
}

static void remember(RewardMemory *memory, const uint8_t *ram) {
    memory->x = x_of(ram);
    memory->clock = clock_of(ram);
    memory->score = score_of(ram);
    memory->coins = coins_of(ram);
    memory->dead = is_dying(ram) || is_dead(ram);
    memory->flag = is_flag_reached(ram);
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

int game_num_terms(const Rules *rules) {
    return rules->num_terms + rules->has_clip;
}

static bool reward_frame(Game *game, Step *step) {
    const Rules *rules = &game->rules;
    int64_t values[NUM_TERMS];
    if (!term_values(&game->memory, game->console.now.ram, values)) {
        return false;
    }
    double total = 0.0;
    for (int i = 0; i < rules->num_terms; i++) {
        step->terms[i] = rules->weights[i] * (double)values[rules->terms[i]];
        total += step->terms[i];
    }
    if (rules->has_clip) {
        double clipped = total < rules->clip ? total : rules->clip;
        clipped = clipped > -rules->clip ? clipped : -rules->clip;
        step->terms[rules->num_terms] = clipped - total;
        total = clipped;
    }
    step->reward = total;
    return true;
}

/* Frames. */

static const char *advance(Game *game, uint8_t buttons, bool draw) {
    console_advance(&game->console, buttons, draw || game->film != NULL);
    if (game->film != NULL && !film_add(game->film, console_picture(&game->console))) {
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

/* Run to the next frame that the player controls; count the frames in `num_skipped`. */
static const char *skip_uncontrolled(Game *game, int *num_skipped) {
    uint8_t *ram = game->console.now.ram;
    const char *error = NULL;
    if (is_dying(ram)) {
        ram[RAM_PLAYER_STATE] = STATE_DEAD;
        error = skip_frame(game, num_skipped);
    }
    if (!game->rules.is_single_stage && is_world_over(ram)) {
        int64_t clock = clock_of(ram);
        while (error == NULL && clock_of(ram) == clock) {
            error = skip_frame(game, num_skipped);
        }
    }
    if (ram[RAM_AREA_CHANGE_TIMER] > 1 && ram[RAM_AREA_CHANGE_TIMER] < 255) {
        ram[RAM_AREA_CHANGE_TIMER] = 1;
    }
    while (error == NULL && (is_busy(ram) || is_world_over(ram))) {
        ram[RAM_PRE_LEVEL_TIMER] = 0;
        error = skip_frame(game, num_skipped);
    }
    return error;
}

static bool is_over(const Game *game) {
    const uint8_t *ram = game->console.now.ram;
    if (game->rules.is_single_stage) {
        return is_dying(ram) || is_dead(ram) || is_flag_reached(ram);
    }
    /* After 8-4 the game waits for a button for ever, so clearing it ends the episode too. */
    return ram[RAM_LIVES] == LIVES_GAME_OVER ||
           (is_world_over(ram) && ram[RAM_WORLD] + 1 == LAST_WORLD);
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
    game->memory.num_frontiers = 0;
    remember(&game->memory, game->console.now.ram);
    return enter_area(&game->memory, game->console.now.ram) ? NULL : OUT_OF_MEMORY;
}

const char *game_step(Game *game, uint8_t buttons, bool draw, Step *step) {
    const uint8_t *ram = game->console.now.ram;
    const char *error = advance(game, buttons, draw);
    if (error != NULL) {
        return error;
    }
    if (!reward_frame(game, step)) {
        return OUT_OF_MEMORY;
    }
    game_info(ram, &step->info);
    step->terminated = is_over(game);
    if (step->terminated) {
        return NULL;
    }
    int num_skipped = 0;
    error = skip_uncontrolled(game, &num_skipped);
    if (error == NULL && num_skipped > 0 && !enter_area(&game->memory, ram)) {
        error = OUT_OF_MEMORY;
    }
    return error;
}

const char *game_steps(Game *game, uint8_t buttons, int num_frames, bool draw, Step *step) {
    int num_terms = game_num_terms(&game->rules);
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
