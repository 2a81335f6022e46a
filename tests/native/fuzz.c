/* Throws random bytes at the native core: whatever they are, no memory is misused (the sanitizers
 * that this is built with see to that), a save state that is refused changes nothing, and a frame
 * is the same whether it is drawn or not, in plain C or not, compiled or interpreted.
 *
 * An input is a list of commands, a byte each, and their arguments. Two builds:
 *
 *   fuzz ROM SECONDS [SEED [LIBRARY]]
 *                             makes inputs by itself, one after the other; any compiler. With a
 *                             library of compiled code the games run that, their twins never
 *   fuzz [libFuzzer's own]    with -DLIBFUZZER -fsanitize=fuzzer: inputs that reach new code are kept
 *                             and changed further; the ROM is named by MARIO_RL_ROM, a library by
 *                             MARIO_RL_LIBRARY
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "batch/resize.h"
#include "game/game.h"
#include "game/snapshot.h"
#include "game/tiles.h"
#include "machine/console.h"

enum {
    NUM_GAMES = 3,
    MAX_INPUT = 1024,    /* bytes of an input made here */
    MAX_FRAMES = 400,    /* of an input, so that one takes milliseconds */
    MAX_RECORDING = 4,   /* frames */
    NUM_WARM_FRAMES = 60 /* from power-on to the title screen */
};

typedef struct {
    const uint8_t *data;
    size_t size;
} Input;

static Cartridge cartridge, interpreted; /* the same ROM; the second has no compiled code */
static Game games[NUM_GAMES];
static Game warm; /* on the title screen */
static Recording recording;
static Console twin;
static uint8_t planes[NUM_GAMES + 1][2][NUM_PIXELS]; /* of the games and the twin: colors, grays */
static uint8_t *state, *other_state;
static int frames_left;
static bool has_rules; /* whether the game is played by its rules, too */

static void fail(const char *what) {
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static void check(bool is_true, const char *what) {
    if (!is_true) {
        fail(what);
    }
}

/* The next byte of the input; zeros follow its end. */
static uint8_t take(Input *input) {
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->data++;
}

static uint16_t take_two(Input *input) {
    uint8_t low = take(input);
    return (uint16_t)(low | take(input) << 8);
}

static bool are_equal(const Console *one, const Console *other) {
    console_save(one, state);
    console_save(other, other_state);
    return memcmp(state, other_state, console_state_size()) == 0;
}

static void check_picture(Console *console) {
    const Picture *picture = console_picture(console);
    for (int i = 0; i < NUM_PIXELS; i++) {
        uint8_t color = picture->colors[i];
        check(color < NUM_COLORS, "a color that there is not");
        check(picture->luma[i] == LUMA[color], "a gray that is not its color's");
    }
}

static void give_picture(Console *console, int number, bool is_plain) {
    console_draw_on(console, (Picture){planes[number][0], planes[number][1], is_plain});
}

static void advance(Game *game, Input *input) {
    uint8_t buttons = take(input);
    uint8_t how = take(input);
    for (int i = 0; i <= how % 8 && frames_left > 0; i++, frames_left--) {
        console_advance(&game->console, buttons, how & 0x80);
    }
}

static void check_twin(Game *game) {
    check(memcmp(twin.now.ram, game->console.now.ram, RAM_SIZE) == 0,
          "drawing, or compiling, changes the RAM");
    const Picture *drawn = console_picture(&twin);
    const Picture *drawn_afterwards = console_picture(&game->console);
    size_t size = sizeof planes[0][0];
    check(memcmp(drawn->colors, drawn_afterwards->colors, size) == 0 &&
              memcmp(drawn->luma, drawn_afterwards->luma, size) == 0,
          "drawn afterwards, or in plain C, it looks different");
}

static void copy_console(Console *to, const Console *from) {
    size_t size = console_state_size();
    uint8_t *bytes = malloc(size);
    check(bytes != NULL, "no memory for a state");
    console_save(from, bytes);
    check(console_load(to, bytes, size) == NULL, "a state that was saved is refused");
    free(bytes);
}

/* Draw a frame at once and afterwards, and then the next one. */
static void advance_twins(Game *game, Input *input) {
    copy_console(&twin, &game->console);
    check(are_equal(&twin, &game->console), "a copy is another machine");
    for (int i = 0; i < 2; i++) {
        uint8_t buttons = take(input);
        console_advance(&twin, buttons, true);
        console_advance(&game->console, buttons, false);
        check_twin(game);
    }
    frames_left -= 4;
}

static void poke(Game *game, Input *input) {
    uint16_t address = take_two(input);
    game_poke(game, address, take(input));
}

static void poke_run(Game *game, Input *input) {
    uint16_t address = take_two(input);
    for (int i = take(input); i > 0; i--) {
        game_poke(game, address++, take(input));
    }
}

/* Copy a game, by bytes or by a snapshot. */
static void copy(Game *game, Input *input) {
    uint8_t how = take(input);
    Game *other = &games[how % NUM_GAMES];
    if (how & 0x80) {
        Snapshot snapshot;
        check(snapshot_take(&snapshot, game), "no memory for a snapshot");
        check(snapshot_restore(&snapshot, other), "no memory for a snapshot");
        snapshot_free(&snapshot);
        check(other->memory.num_frontiers == game->memory.num_frontiers, "areas are lost");
    } else if (other != game) {
        copy_console(&other->console, &game->console);
        check(reward_copy(&other->memory, &game->memory), "no memory for a reward's memory");
    }
    check(are_equal(&other->console, &game->console), "a copy is another machine");
}

static void save_and_load(Game *game, Input *input) {
    Game *other = &games[take(input) % NUM_GAMES];
    console_save(&game->console, state);
    const char *error = console_load(&other->console, state, console_state_size());
    check(error == NULL, "a state that was saved is refused");
    check(are_equal(&game->console, &other->console), "a state that was loaded is another one");
    check_picture(&other->console);
}

/* Change some bytes of a saved state. It may be refused, then nothing changes; or be a machine. */
static void load_changed(Game *game, Input *input) {
    size_t size = console_state_size();
    uint8_t *changed = malloc(size); /* of its own, so that reading past its end is seen */
    check(changed != NULL, "no memory for a state");
    console_save(&game->console, changed);
    for (int i = take(input) % 16; i >= 0; i--) {
        size_t index = take_two(input) % size;
        /* What is not RAM comes last or first: go there more often than the size suggests. */
        size_t offset = index % 256;
        index = i % 3 == 0 ? index : i % 3 == 1 ? offset % size : size - 1 - offset % size;
        changed[index] = take(input);
    }
    copy_console(&twin, &game->console);
    const char *error = console_load(&game->console, changed, size);
    if (error != NULL) {
        check(are_equal(&twin, &game->console), "a state was refused, yet something changed");
    } else {
        console_save(&game->console, state);
        check(console_load(&twin, state, size) == NULL, "a state that was accepted is refused");
    }
    free(changed);
}

/* Bytes of another length, whatever they are. */
static void load_truncated(Game *game, Input *input) {
    size_t size = take_two(input) % (console_state_size() + 64);
    uint8_t *bytes = malloc(size + 1);
    check(bytes != NULL, "no memory for a state");
    console_save(&game->console, state);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = i < console_state_size() ? state[i] : take(input);
    }
    copy_console(&twin, &game->console);
    const char *error = console_load(&game->console, bytes, size);
    check((error == NULL) == (size == console_state_size()), "the length is not checked");
    check(are_equal(&twin, &game->console), "a state was refused, yet something changed");
    free(bytes);
}

static void set_rules(Game *game, Input *input) {
    Rules *rules = &game->rules;
    *rules = (Rules){.is_single_stage = take(input) & 1};
    uint8_t terms = take(input);
    for (int term = 0; term < NUM_TERMS; term++) {
        if (terms >> term & 1) {
            rules->terms[rules->num_terms] = (Term)term;
            rules->weights[rules->num_terms] = (double)take(input) / 16.0 - 8.0;
            rules->num_terms++;
        }
    }
    rules->has_clip = take(input) & 1;
    rules->clip = rules->has_clip ? 15.0 : 0.0;
}

static void play(Game *game, Input *input) {
    uint8_t buttons = take(input);
    uint8_t how = take(input);
    if (!has_rules) {
        return;
    }
    game->recording = how & 0x40 ? &recording : NULL;
    Step step;
    const char *error = game->memory.num_frontiers == 0 ? game_begin(game) : NULL;
    if (error == NULL) {
        error = game_steps(game, buttons, 1 + how % 8, how & 0x80, &step);
    }
    game->recording = NULL;
    if (error != NULL) {
        has_rules = false;
    } else {
        check(isfinite(step.reward), "a reward that is no number");
        check(step.info.status < NUM_POWERS, "a power that there is not");
    }
    frames_left -= 8;
    if (recording.num_frames > MAX_RECORDING) {
        recording_clear(&recording);
    }
}

static void observe(Game *game, Input *input) {
    uint8_t tiles[TILES_HEIGHT][TILES_WIDTH];
    decode_tiles(game->console.now.ram, tiles[0]);
    int size = take_two(input) % (MAX_RESIZER_SIZE + 16);
    Resizer *resizer = resizer_create(size);
    check((resizer != NULL) == resizer_is_native(size), "a size that is native or not");
    if (resizer == NULL) {
        return;
    }
    size_t num_pixels = (size_t)size * (size_t)size;
    uint8_t *pixels = malloc(3 * num_pixels); /* exactly, so that writing past the end is seen */
    uint8_t *gray = malloc(num_pixels);
    check(pixels != NULL && gray != NULL, "no memory for an observation");
    const Picture *picture = console_picture(&game->console);
    resizer_gray(resizer, picture->luma, gray);
    resizer_rgb(resizer, picture->colors, pixels);
    free(gray);
    free(pixels);
    resizer_destroy(resizer);
}

static void execute(Input *input) {
    uint8_t command = take(input);
    Game *game = &games[command / 16 % NUM_GAMES];
    switch (command % 16) {
    case 0:
    case 1:
    case 2:
    case 3: advance(game, input); break;
    case 4: advance_twins(game, input); break;
    case 5:
    case 6: poke(game, input); break;
    case 7: poke_run(game, input); break;
    case 8: copy(game, input); break;
    case 9: save_and_load(game, input); break;
    case 10: load_changed(game, input); break;
    case 11: load_truncated(game, input); break;
    case 12: set_rules(game, input); break;
    case 13: play(game, input); break;
    case 14: observe(game, input); break;
    default: check_picture(&game->console); break;
    }
}

static void run(const uint8_t *data, size_t size) {
    for (int i = 0; i < NUM_GAMES; i++) {
        game_init(&games[i], &cartridge);
        give_picture(&games[i].console, i, false);
        if (i > 0) {
            copy_console(&games[i].console, &warm.console);
        }
    }
    frames_left = MAX_FRAMES;
    Input input = {data, size};
    /* Rarely: in garbage they look for 20,000 frames for one that the player controls. */
    has_rules = take(&input) % 16 == 0;
    while (input.size > 0 && frames_left > 0) {
        execute(&input);
    }
    for (int i = 0; i < NUM_GAMES; i++) {
        check_picture(&games[i].console);
        game_free(&games[i]);
    }
    recording_clear(&recording);
}

static void init(const char *rom_path, const char *library) {
    enum { MAX_FILE = 1 << 16 };
    uint8_t *file = malloc(MAX_FILE);
    FILE *stream = rom_path == NULL ? NULL : fopen(rom_path, "rb");
    check(file != NULL && stream != NULL, "the ROM cannot be read");
    size_t size = fread(file, 1, MAX_FILE, stream);
    fclose(stream);
    const char *error = cartridge_init(&cartridge, file, size);
    check(error == NULL, "the ROM is refused");
    interpreted = cartridge;
    if (library != NULL) {
        error = compiled_load(library, &cartridge, &cartridge.compiled);
        check(error == NULL, error);
    }
    free(file);
    state = malloc(console_state_size());
    other_state = malloc(console_state_size());
    check(state != NULL && other_state != NULL, "no memory for a state");
    console_init(&twin, &interpreted);
    give_picture(&twin, NUM_GAMES, true);
    game_init(&warm, &cartridge);
    for (int i = 0; i < NUM_WARM_FRAMES; i++) {
        console_advance(&warm.console, 0, false);
    }
}

#ifdef LIBFUZZER

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    init(getenv("MARIO_RL_ROM"), getenv("MARIO_RL_LIBRARY"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(data, size);
    return 0;
}

#else

/* Xorshift (Marsaglia 2003). */
static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: fuzz ROM SECONDS [SEED [LIBRARY]]\n");
        return 2;
    }
    init(argv[1], argc > 4 ? argv[4] : NULL);
    time_t end = time(NULL) + atoi(argv[2]);
    uint64_t first_seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    uint64_t num_inputs = 0;
    while (time(NULL) < end || num_inputs == 0) {
        /* Each input has a seed of its own, so that the last one printed is all there is to
         * know. */
        uint64_t seed = (first_seed + num_inputs) * 0x9E3779B97F4A7C15u;
        uint8_t data[MAX_INPUT];
        for (size_t i = 0; i < sizeof data; i++) {
            data[i] = (uint8_t)(next_random(&seed) >> 32);
        }
        if (num_inputs % 1000 == 0) {
            fprintf(stderr, "input %llu\n", (unsigned long long)(first_seed + num_inputs));
        }
        run(data, 1 + next_random(&seed) % sizeof data);
        num_inputs++;
    }
    printf("%llu inputs, no finding\n", (unsigned long long)num_inputs);
    return 0;
}

#endif
