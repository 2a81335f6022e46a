/* Plays games side by side on several threads and on one, and compares what comes out.
 *
 * Takes the path of the ROM; prints nothing and exits with 0 if all is well.
 * tests/envs/core/test_pool.py builds it with ThreadSanitizer, which sees what games share without being
 * allowed to.
 */
#include "batch/vector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "game/ram.h"

enum { NUM_ENVS = 6, SKIP = 4, STACK = 2, SIZE = 84, NUM_STEPS = 40, MAX_ROM = 0x10000 };

typedef struct {
    Game games[NUM_ENVS];
    Vector *vector;
    uint8_t *observations;
    double rewards[NUM_ENVS];
    uint8_t terminated[NUM_ENVS];
    int32_t num_frames[NUM_ENVS];
    int64_t columns[NUM_COLUMNS * NUM_ENVS];
    uint8_t flags[NUM_FLAGS * NUM_ENVS];
    double terms[NUM_TERMS * NUM_ENVS];
} Side;

static const Rules RULES = {
    .is_single_stage = true,
    .num_terms = 2,
    .terms = {TERM_VELOCITY, TERM_PROGRESS},
    .weights = {1.0, 0.5},
};

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(EXIT_FAILURE);
}

static void insert_rom(Cartridge *cartridge, const char *path) {
    static uint8_t rom[MAX_ROM];
    FILE *file = fopen(path, "rb");
    if (file == NULL || cartridge_init(cartridge, rom, fread(rom, 1, sizeof rom, file)) != NULL) {
        fail("cannot read the ROM");
    }
    fclose(file);
}

/* Press start until the clock runs. */
static void start(Game *game) {
    Info info = {0};
    for (int frame = 0; info.time == 0; frame++) {
        console_advance(&game->console, frame % 2 ? 0 : 1 << 3, false);
        game_poke(game, RAM_PRE_LEVEL_TIMER, 0);
        info_read(game->console.now.ram, &info);
    }
    if (game_begin(game) != NULL) {
        fail("out of memory");
    }
}

static void play(Side *side, const uint8_t *orders, const uint8_t *buttons) {
    static const int32_t num_noops[NUM_ENVS] = {0, 1, 2, 3, 4, 5};
    static const uint8_t sticky[NUM_ENVS * SKIP] = {[5] = 1, [6] = 1};
    const Orders all_orders = {orders, buttons, sticky, num_noops};
    const Results results = {
        side->observations, side->rewards, side->terminated, side->num_frames,
        side->columns,      side->flags,   side->terms,
    };
    int env;
    const char *error = vector_play(side->vector, &all_orders, &results, &env);
    if (error != NULL) {
        fail(error);
    }
}

static void begin(Side *side, const Cartridge *cartridge, const Resizer *resizer, View view,
                  Layout layout, int num_threads) {
    Game *games[NUM_ENVS];
    for (int i = 0; i < NUM_ENVS; i++) {
        games[i] = &side->games[i];
        game_init(games[i], cartridge);
        games[i]->rules = RULES;
        start(games[i]);
    }
    const VectorOptions options = {NUM_ENVS, num_threads, RULES.num_terms, SKIP, STACK, view,
                                   resizer,  SIZE,        layout};
    side->vector = vector_create(games, &options);
    if (side->vector == NULL) {
        fail("out of memory");
    }
    side->observations = calloc(NUM_ENVS, vector_observation_size(side->vector));
    uint8_t orders[NUM_ENVS];
    memset(orders, ORDER_BEGIN, sizeof orders);
    play(side, orders, orders);
}

static void end(Side *side) {
    vector_destroy(side->vector);
    free(side->observations);
    for (int i = 0; i < NUM_ENVS; i++) {
        game_free(&side->games[i]);
    }
}

static bool are_equal(const Side *one, const Side *other) {
    size_t size = NUM_ENVS * vector_observation_size(one->vector);
    return memcmp(one->observations, other->observations, size) == 0 &&
           memcmp(one->columns, other->columns, sizeof one->columns) == 0 &&
           memcmp(one->rewards, other->rewards, sizeof one->rewards) == 0 &&
           memcmp(one->terms, other->terms, sizeof one->terms) == 0 &&
           memcmp(one->num_frames, other->num_frames, sizeof one->num_frames) == 0 &&
           memcmp(one->flags, other->flags, sizeof one->flags) == 0 &&
           memcmp(one->terminated, other->terminated, sizeof one->terminated) == 0;
}

static void compare(const Cartridge *cartridge, const Resizer *resizer, View view, Layout layout) {
    static Side sides[2];
    memset(sides, 0, sizeof sides);
    begin(&sides[0], cartridge, resizer, view, layout, 1);
    begin(&sides[1], cartridge, resizer, view, layout, 3);
    for (int step = 0; step < NUM_STEPS; step++) {
        uint8_t orders[NUM_ENVS];
        uint8_t buttons[NUM_ENVS];
        for (int i = 0; i < NUM_ENVS; i++) {
            orders[i] = (step + i) % 20 ? ORDER_STEP : ORDER_NOTHING;
            buttons[i] = (uint8_t)((i * 37 + step / 8) & 0xC3); /* A, B, left, right */
        }
        play(&sides[0], orders, buttons);
        play(&sides[1], orders, buttons);
        if (!are_equal(&sides[0], &sides[1])) {
            fail("threads make a difference");
        }
    }
    end(&sides[0]);
    end(&sides[1]);
}

int main(int argc, char **argv) {
    static Cartridge cartridge;
    insert_rom(&cartridge, argc > 1 ? argv[1] : "");
    Resizer *resizer = resizer_create(SIZE);
    compare(&cartridge, resizer, OBSERVE_GRAY, LAYOUT_FRAMES);
    compare(&cartridge, resizer, OBSERVE_GRAY, LAYOUT_LAST);
    compare(&cartridge, resizer, OBSERVE_RGB, LAYOUT_FIRST);
    compare(&cartridge, NULL, OBSERVE_RGB, LAYOUT_FRAMES);
    compare(&cartridge, NULL, OBSERVE_TILES, LAYOUT_LAST);
    resizer_destroy(resizer);
    return EXIT_SUCCESS;
}
