/* The console: frames, pictures and save states of the machine.
 *
 * nes-py's frame is always 29,781 CPU cycles of three PPU dots. That is one dot more than the PPU's
 * own picture (two more on odd ones), so the frame's beginning drifts through the picture, once
 * around in about 59,500 frames: what is shown is often the top of one picture over the bottom of
 * the one before, and a frame sees the vertical blank begin once, twice or not at all.
 */
#include "machine/console.h"

#include <string.h>

#include "machine/bus.h"

enum {
    CYCLES_PER_FRAME = 29781,
    DOTS_PER_CYCLE = 3,
    DOTS_PER_FRAME = CYCLES_PER_FRAME * DOTS_PER_CYCLE,
    BLACK = 0x0F,
    /* More than any instruction takes together with OAM DMA and an NMI. */
    MAX_CYCLES_AHEAD = 1000,
};

static void switch_on(Machine *machine, const Cartridge *cartridge) {
    *machine = (Machine){.is_strobing = true};
    cpu_power_on(&machine->cpu, cartridge);
    ppu_power_on(&machine->ppu);
}

static void paint_black(const Picture *picture) {
    if (picture->colors != NULL) {
        memset(picture->colors, BLACK, NUM_PIXELS);
    }
    if (picture->luma != NULL) {
        memset(picture->luma, LUMA[BLACK], NUM_PIXELS);
    }
}

/* Run the frame for which `buttons` are set, and draw it unless `picture` is NULL. */
static void run_frame(Machine *machine, const Cartridge *cartridge, const Picture *picture) {
    Canvas canvas, *drawn = NULL;
    if (picture != NULL && (picture->colors != NULL || picture->luma != NULL)) {
        drawn = &canvas;
        canvas.picture = *picture;
        canvas.is_new = true;
        canvas.is_prepared = false;
    }
    Bus bus = {machine, cartridge, drawn, machine->num_cycles, 0};
    int64_t end = bus.first_cycle + CYCLES_PER_FRAME;
    for (;;) {
        /* The CPU must not run past the PPU's events: NMI, and the dot that odd frames skip. */
        int event = bus.num_dots + ppu_dots_to_event(&machine->ppu);
        if (event > DOTS_PER_FRAME) {
            break;
        }
        cpu_run(&machine->cpu, &bus, bus.first_cycle + (event - 1) / DOTS_PER_CYCLE);
        ppu_run(&machine->ppu, cartridge, drawn, event - bus.num_dots);
        bus.num_dots = event;
        if (ppu_raises_nmi(&machine->ppu)) {
            cpu_nmi(&machine->cpu, &bus);
        }
    }
    cpu_run(&machine->cpu, &bus, end);
    ppu_run(&machine->ppu, cartridge, drawn, DOTS_PER_FRAME - bus.num_dots);
    machine->num_cycles = end;
}

void console_init(Console *console, const Cartridge *cartridge) {
    console->cartridge = cartridge;
    console->picture = (Picture){0};
    console_power_on(console);
}

void console_power_on(Console *console) {
    switch_on(&console->now, console->cartridge);
    console->before = console->now;
    console->is_drawn = false;
}

void console_draw_on(Console *console, Picture picture) {
    console->picture = picture;
    console->is_drawn = false;
}

void console_advance(Console *console, uint8_t buttons, bool draw) {
    console->now.buttons = buttons;
    console->before = console->now;
    run_frame(&console->now, console->cartridge, draw ? &console->picture : NULL);
    console->is_drawn = draw;
}

const Picture *console_picture(Console *console) {
    if (!console->is_drawn && console->now.num_cycles == 0) {
        paint_black(&console->picture);
    } else if (!console->is_drawn) {
        /* A frame touches every pixel, so running it again is all it takes. */
        Machine again = console->before;
        run_frame(&again, console->cartridge, &console->picture);
    }
    console->is_drawn = true;
    return &console->picture;
}

void console_restore(Console *console, const Machine *now, const Machine *before) {
    console->now = *now;
    console->before = *before;
    console->is_drawn = false;
}

/* ---- Save states ----
 *
 * A save state is the machine now, and as the last frame began: that is its picture. Numbers are
 * written field by field, the lowest byte first, so that they read the same on every computer. One
 * description serves to write, to read and to measure. */

typedef enum { MEASURE, WRITE, READ } Direction;

typedef struct {
    Direction direction;
    uint8_t *out;
    const uint8_t *in;
    size_t position;
    bool is_valid;
} Stream;

static void pass_bytes(Stream *stream, uint8_t *bytes, size_t size) {
    if (stream->direction == WRITE) {
        memcpy(stream->out + stream->position, bytes, size);
    }
    if (stream->direction == READ) {
        memcpy(bytes, stream->in + stream->position, size);
    }
    stream->position += size;
}

/* Pass a number of so many bytes, and check that it lies within bounds. */
static int64_t pass_number(Stream *stream, int64_t number, size_t size, int64_t low, int64_t high) {
    uint8_t bytes[sizeof number];
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * i));
    }
    pass_bytes(stream, bytes, size);
    if (stream->direction != READ) {
        return number;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    if (size < sizeof number && low < 0 && value >> (8 * size - 1)) {
        value -= 1ull << (8 * size);
    }
    number = (int64_t)value;
    if (number < low || number > high) {
        stream->is_valid = false;
        return low;
    }
    return number;
}

static void pass_bool(Stream *stream, bool *value) {
    *value = pass_number(stream, *value, 1, 0, 1) != 0;
}

static void pass_byte(Stream *stream, uint8_t *value, uint8_t high) {
    *value = (uint8_t)pass_number(stream, *value, 1, 0, high);
}

static void pass_address(Stream *stream, uint16_t *value) {
    *value = (uint16_t)pass_number(stream, *value, 2, 0, 0xFFFF);
}

static void pass_signed(Stream *stream, int16_t *value, int16_t low, int16_t high) {
    *value = (int16_t)pass_number(stream, *value, 2, low, high);
}

static void pass_ppu(Stream *stream, Ppu *ppu) {
    pass_bytes(stream, ppu->nametables, sizeof ppu->nametables);
    pass_bytes(stream, ppu->palette, sizeof ppu->palette);
    pass_bytes(stream, ppu->oam, sizeof ppu->oam);
    pass_signed(stream, &ppu->line, PPU_PRERENDER_LINE, PPU_LAST_LINE);
    pass_signed(stream, &ppu->dot, ppu->line == PPU_PRERENDER_LINE ? 0 : 1, PPU_LAST_DOT);
    pass_bool(stream, &ppu->is_even_frame);
    pass_bool(stream, &ppu->is_vblank);
    pass_bool(stream, &ppu->is_sprite_zero_hit);
    pass_bool(stream, &ppu->is_second_write);
    pass_address(stream, &ppu->address);
    pass_address(stream, &ppu->next_address);
    pass_byte(stream, &ppu->fine_x, 7);
    pass_byte(stream, &ppu->read_buffer, 0xFF);
    pass_byte(stream, &ppu->oam_address, 0xFF);
    pass_byte(stream, &ppu->control, 0xFF);
    pass_byte(stream, &ppu->mask, 0xFF);
    pass_bool(stream, &ppu->is_evaluation_due);
    pass_signed(stream, &ppu->evaluation_line, 0, SCREEN_HEIGHT - 1);
    pass_byte(stream, &ppu->num_line_sprites, MAX_LINE_SPRITES);
    for (int i = 0; i < MAX_LINE_SPRITES; i++) {
        pass_byte(stream, &ppu->line_sprites[i], 63);
    }
}

static void pass_machine(Stream *stream, Machine *machine) {
    Cpu *cpu = &machine->cpu;
    pass_bytes(stream, machine->ram, sizeof machine->ram);
    machine->num_cycles = pass_number(stream, machine->num_cycles, 8, 0, INT64_MAX / 4);
    cpu->cycle = pass_number(stream, cpu->cycle, 8, machine->num_cycles,
                             machine->num_cycles + MAX_CYCLES_AHEAD);
    pass_address(stream, &cpu->pc);
    pass_byte(stream, &cpu->a, 0xFF);
    pass_byte(stream, &cpu->x, 0xFF);
    pass_byte(stream, &cpu->y, 0xFF);
    pass_byte(stream, &cpu->sp, 0xFF);
    pass_byte(stream, &cpu->flags, 0xFF);
    pass_ppu(stream, &machine->ppu);
    pass_byte(stream, &machine->buttons, 0xFF);
    pass_byte(stream, &machine->joypad_bits, 0xFF);
    pass_byte(stream, &machine->joypad2_bits, 0xFF);
    pass_bool(stream, &machine->is_strobing);
}

size_t console_state_size(void) {
    Stream stream = {.direction = MEASURE};
    Machine machine = {0};
    pass_machine(&stream, &machine);
    return 2 * stream.position;
}

void console_save(const Console *console, uint8_t *out) {
    Stream stream = {.direction = WRITE, .out = out};
    Machine now = console->now, before = console->before;
    ppu_settle(&now.ppu);
    ppu_settle(&before.ppu);
    pass_machine(&stream, &now);
    pass_machine(&stream, &before);
}

const char *console_load(Console *console, const uint8_t *data, size_t size) {
    if (size != console_state_size()) {
        return "it has the wrong size";
    }
    Stream stream = {.direction = READ, .in = data, .is_valid = true};
    Machine now = {0}, before = {0};
    pass_machine(&stream, &now);
    pass_machine(&stream, &before);
    if (!stream.is_valid) {
        return "it holds a number that the machine cannot have";
    }
    console_restore(console, &now, &before);
    return NULL;
}
