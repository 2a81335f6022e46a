/* The picture processing unit (PPU): its timing, its registers and the sprite 0 hit.
 *
 * A frame is 262 scanlines of 341 dots, of which 240 lines of 256 dots are visible.
 *
 * It is run in pieces of any length, up to the dot that the CPU has come to. The effect of a piece
 * of a scanline on the registers is computed at once, not dot by dot; pixels are drawn only if
 * there is a canvas. Without one the only thing that depends on pixels is the sprite 0 hit, which
 * is searched for on the few lines where sprite 0 is.
 *
 * Timing: https://www.nesdev.org/wiki/PPU_rendering. Differences from the chip, as in nes-py:
 * sprites are evaluated at the end of a line, from OAMADDR on, and line 0 shows those found on line
 * 239, as they are by then; the vertical scroll is copied if the dot is run with both layers on; a
 * sprite 0 hit is possible at x = 255; there is neither a sprite overflow flag, nor grayscale, nor
 * color emphasis.
 */
#include "machine/drawing.h"

#include <string.h>

enum {
    PRERENDER_LINE = PPU_PRERENDER_LINE,
    LAST_LINE = PPU_LAST_LINE,
    LAST_DOT = PPU_LAST_DOT,
    VBLANK_LINE = 241,
    VBLANK_DOT = 1,
    CLEAR_DOT = 1, /* of the pre-render line: flags are cleared */
    NEXT_ROW_DOT = 257,
    COPY_X_DOT = 258,
    COPY_Y_FIRST_DOT = 281,
    COPY_Y_LAST_DOT = 304,
    SKIPPED_DOT = 340, /* the pre-render line's last, on odd frames */
    PALETTE_START = 0x3F00,
    VRAM_SIZE = 0x4000,
};

void ppu_power_on(Ppu *ppu) {
    /* As in nes-py: the first pre-render line is one dot longer, and both layers are on. */
    *ppu = (Ppu){.line = PRERENDER_LINE,
                 .is_even_frame = true,
                 .mask = MASK_BOTH | MASK_LEFT_BACKGROUND | MASK_LEFT_SPRITES};
}

/* ---- The PPU's memory map ---- */

static int palette_offset(uint16_t address) {
    /* The transparent entries of sprites mirror those of the background. */
    int offset = address & 0x1F;
    return offset & 3 ? offset : offset & 0x0F;
}

uint8_t ppu_read_memory(const Ppu *ppu, const Cartridge *cartridge, uint16_t address) {
    address %= VRAM_SIZE;
    if (address < CHR_SIZE) {
        return cartridge->chr[address];
    }
    if (address < PALETTE_START) {
        return ppu->nametables[nametable_offset(address)];
    }
    return ppu->palette[palette_offset(address)];
}

static void write_memory(Ppu *ppu, uint16_t address, uint8_t value) {
    address %= VRAM_SIZE;
    if (address < CHR_SIZE) {
        return; /* ROM */
    }
    if (address < PALETTE_START) {
        ppu->nametables[nametable_offset(address)] = value;
    } else {
        ppu->palette[palette_offset(address)] = value;
    }
}

/* ---- Scrolling: https://www.nesdev.org/wiki/PPU_scrolling ---- */

static uint16_t move_down(uint16_t address) {
    if ((address & ADDRESS_FINE_Y) != ADDRESS_FINE_Y) {
        return (uint16_t)(address + 0x1000);
    }
    int row = (address & ADDRESS_ROW) >> 5;
    address &= (uint16_t)~(ADDRESS_FINE_Y | ADDRESS_ROW);
    if (row == 29) {
        return address ^ ADDRESS_NAMETABLE_Y; /* below row 29 is the other table */
    }
    return (uint16_t)(address | ((row + 1) % 32) << 5);
}

/* Do that so many times, 240 at most. */
static uint16_t move_lines_down(uint16_t address, int num_lines) {
    int line = (address & ADDRESS_ROW) >> 5 << 3 | (address & ADDRESS_FINE_Y) >> 12;
    if (line >= SCREEN_HEIGHT) { /* in the attribute table, whose end is not the other table */
        while (num_lines-- > 0) {
            address = move_down(address);
        }
        return address;
    }
    line += num_lines;
    if (line >= SCREEN_HEIGHT) {
        line -= SCREEN_HEIGHT;
        address ^= ADDRESS_NAMETABLE_Y;
    }
    address &= (uint16_t)~(ADDRESS_FINE_Y | ADDRESS_ROW);
    return (uint16_t)(address | (line & 7) << 12 | line >> 3 << 5);
}

static void copy_bits(Ppu *ppu, uint16_t bits) {
    ppu->address = (uint16_t)((ppu->address & ~bits) | (ppu->next_address & bits));
}

/* ---- Time ---- */

/* Whether a dot is among those from `first` to before `end`. */
static bool passes(int dot, int first, int end) {
    return first <= dot && dot < end;
}

/* The last dot of the pre-render line. */
static int last_dot_of_prerender_line(const Ppu *ppu) {
    bool is_shorter = !ppu->is_even_frame && shows(ppu, MASK_BOTH);
    return is_shorter && ppu->dot <= SKIPPED_DOT ? SKIPPED_DOT : LAST_DOT;
}

static int run_prerender_line(Ppu *ppu, int num_dots) {
    int first = ppu->dot, last = last_dot_of_prerender_line(ppu);
    int end = smaller(first + num_dots, last + 1);
    if (passes(CLEAR_DOT, first, end)) {
        ppu->is_vblank = ppu->is_sprite_zero_hit = false;
    }
    if (shows(ppu, MASK_BOTH)) {
        if (passes(COPY_X_DOT, first, end)) {
            copy_bits(ppu, ADDRESS_X);
        }
        if (first <= COPY_Y_LAST_DOT && end > COPY_Y_FIRST_DOT) {
            copy_bits(ppu, ADDRESS_Y);
        }
    }
    ppu->dot = (int16_t)end;
    if (end > last) {
        ppu->line = 0;
        ppu->dot = 1;
    }
    return end - first;
}

/* How many of the next lines sprite 0 cannot hit, `num_lines` at most, if the CPU does nothing. */
static int lines_without_hit(const Ppu *ppu, int num_lines) {
    if (ppu->is_sprite_zero_hit || !shows(ppu, MASK_BOTH)) {
        return num_lines;
    }
    /* It is on the lines after its y. */
    int y = ppu->oam[0];
    if (has_sprite_zero(ppu) || (ppu->line > y && ppu->line < y + sprite_height(ppu))) {
        return 0;
    }
    return ppu->line <= y ? smaller(num_lines, y + 1 - ppu->line) : num_lines;
}

/* Move on by whole lines. */
static void pass_lines(Ppu *ppu, int num_lines) {
    if (shows(ppu, MASK_BACKGROUND)) {
        ppu->address = move_lines_down(ppu->address, num_lines);
        if (num_lines % 2 != 0) {
            ppu->address ^= ADDRESS_NAMETABLE_X; /* 32 tiles to the right */
        }
    }
    if (shows(ppu, MASK_BOTH)) {
        copy_bits(ppu, ADDRESS_X);
    }
    ppu->line = (int16_t)(ppu->line + num_lines);
    ppu->is_evaluation_due = true;
    ppu->evaluation_line = (int16_t)(ppu->line - 1);
}

/* Run whole lines on which sprite 0 cannot hit. */
static void run_lines(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int num_lines) {
    while (num_lines > 0) {
        int num_drawn = num_lines;
        if (canvas != NULL) {
            num_drawn = draw_lines(ppu, cartridge, canvas, num_lines);
        }
        pass_lines(ppu, num_drawn);
        num_lines -= num_drawn;
    }
}

static int run_visible_lines(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int num_dots) {
    if (ppu->dot == 1 && num_dots >= LAST_DOT) {
        int num_lines = smaller(num_dots / LAST_DOT, SCREEN_HEIGHT - ppu->line);
        num_lines = lines_without_hit(ppu, num_lines);
        if (num_lines > 0) {
            run_lines(ppu, cartridge, canvas, num_lines);
            return num_lines * LAST_DOT;
        }
    }
    int first = ppu->dot, end = smaller(first + num_dots, LAST_DOT + 1);
    int x0 = first - 1, x1 = smaller(end - 1, SCREEN_WIDTH);
    if (x0 < x1) {
        if (find_sprite_zero_hit(ppu, cartridge, x0, x1) >= 0) {
            ppu->is_sprite_zero_hit = true;
        }
        if (canvas != NULL) {
            draw_pixels(ppu, cartridge, canvas, x0, x1);
        }
        if (shows(ppu, MASK_BACKGROUND)) {
            int num_tiles = (ppu->fine_x + x1) / TILE_SIZE - (ppu->fine_x + x0) / TILE_SIZE;
            ppu->address = move_right(ppu->address, num_tiles);
        }
    }
    if (shows(ppu, MASK_BACKGROUND) && passes(NEXT_ROW_DOT, first, end)) {
        ppu->address = move_down(ppu->address);
    }
    if (shows(ppu, MASK_BOTH) && passes(COPY_X_DOT, first, end)) {
        copy_bits(ppu, ADDRESS_X);
    }
    ppu->dot = (int16_t)end;
    if (end > LAST_DOT) {
        ppu->is_evaluation_due = true;
        ppu->evaluation_line = ppu->line++;
        ppu->dot = 1;
    }
    return end - first;
}

/* Run lines on which there is nothing to do but to begin vertical blank. */
static int run_blank_lines(Ppu *ppu, int num_dots) {
    enum { NUM_DOTS = (LAST_LINE + 1 - SCREEN_HEIGHT) * LAST_DOT };
    int first = (ppu->line - SCREEN_HEIGHT) * LAST_DOT + ppu->dot;
    int end = smaller(first + num_dots, NUM_DOTS + 1);
    if (passes((VBLANK_LINE - SCREEN_HEIGHT) * LAST_DOT + VBLANK_DOT, first, end)) {
        ppu->is_vblank = true;
    }
    ppu->line = (int16_t)(SCREEN_HEIGHT + (end - 1) / LAST_DOT);
    ppu->dot = (int16_t)((end - 1) % LAST_DOT + 1);
    if (ppu->line > LAST_LINE) {
        ppu->line = PRERENDER_LINE;
        ppu->is_even_frame = !ppu->is_even_frame;
    }
    return end - first;
}

void ppu_run(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int num_dots) {
    while (num_dots > 0) {
        if (ppu->line == PRERENDER_LINE) {
            num_dots -= run_prerender_line(ppu, num_dots);
        } else if (ppu->line < SCREEN_HEIGHT) {
            num_dots -= run_visible_lines(ppu, cartridge, canvas, num_dots);
        } else {
            num_dots -= run_blank_lines(ppu, num_dots);
        }
    }
}

/* The dots from the next one to a dot of a line, both included; `line` is not before the next. */
static int dots_to(const Ppu *ppu, int line, int dot) {
    return (line - ppu->line) * LAST_DOT + dot - ppu->dot + 1;
}

int ppu_dots_to_event(const Ppu *ppu) {
    if (ppu->line == PRERENDER_LINE) {
        return ppu->dot <= SKIPPED_DOT ? dots_to(ppu, PRERENDER_LINE, SKIPPED_DOT) : 1;
    }
    if (ppu->line < VBLANK_LINE || (ppu->line == VBLANK_LINE && ppu->dot <= VBLANK_DOT)) {
        return dots_to(ppu, VBLANK_LINE, VBLANK_DOT);
    }
    return dots_to(ppu, LAST_LINE + 1, SKIPPED_DOT);
}

bool ppu_raises_nmi(const Ppu *ppu) {
    bool is_done = ppu->line == VBLANK_LINE && ppu->dot == VBLANK_DOT + 1;
    return is_done && (ppu->control & CONTROL_NMI);
}

int ppu_dots_to_sprite_zero(const Ppu *ppu, const Cartridge *cartridge, bool set, int max_dots) {
    if (!set) {
        /* The flag is cleared on the pre-render line. */
        bool is_near = ppu->line == PRERENDER_LINE && ppu->dot <= CLEAR_DOT;
        return dots_to(ppu, is_near ? PRERENDER_LINE : LAST_LINE + 1, CLEAR_DOT);
    }
    Ppu probe = *ppu;
    int num_dots = 0;
    while (num_dots < max_dots) {
        int num_more = LAST_DOT - probe.dot + 1; /* to the line's end */
        if (probe.line >= 0 && probe.line < SCREEN_HEIGHT && probe.dot <= SCREEN_WIDTH) {
            int x0 = probe.dot - 1;
            int x = find_sprite_zero_hit(&probe, cartridge, x0, SCREEN_WIDTH);
            if (x >= 0) {
                return num_dots + x - x0 + 1;
            }
            if (x0 == 0) {
                int num_lines = lines_without_hit(&probe, SCREEN_HEIGHT - probe.line);
                num_more = num_lines > 0 ? num_lines * LAST_DOT : num_more;
            }
        }
        ppu_run(&probe, cartridge, NULL, num_more);
        num_dots += num_more;
    }
    return max_dots;
}

/* ---- Registers ---- */

uint8_t ppu_read(Ppu *ppu, const Cartridge *cartridge, int reg) {
    switch (reg) {
    case 2: { /* PPUSTATUS */
        uint8_t status = (uint8_t)(ppu->is_vblank << 7 | ppu->is_sprite_zero_hit << 6);
        ppu->is_vblank = false;
        ppu->is_second_write = false;
        return status;
    }
    case 4: return ppu->oam[ppu->oam_address];
    case 7: {
        uint16_t address = ppu->address % VRAM_SIZE;
        uint8_t value = ppu_read_memory(ppu, cartridge, address);
        ppu->address = (uint16_t)(ppu->address + (ppu->control & CONTROL_DOWN ? 32 : 1));
        if (address >= PALETTE_START) {
            return value; /* the palette is read at once */
        }
        uint8_t buffered = ppu->read_buffer;
        ppu->read_buffer = value;
        return buffered;
    }
    default: return 0;
    }
}

void ppu_write(Ppu *ppu, int reg, uint8_t value) {
    switch (reg) {
    case 0:
        evaluate_sprites(ppu); /* while their size is what it was */
        ppu->control = value;
        ppu->next_address =
            (uint16_t)((ppu->next_address & ~0x0C00) | (value & CONTROL_NAMETABLE) << 10);
        break;
    case 1: ppu->mask = value; break;
    case 3:
        evaluate_sprites(ppu);
        ppu->oam_address = value;
        break;
    case 4:
        evaluate_sprites(ppu);
        ppu->oam[ppu->oam_address++] = value;
        break;
    case 5: /* scroll: x, then y */
        if (!ppu->is_second_write) {
            ppu->next_address = (uint16_t)((ppu->next_address & ~ADDRESS_COLUMN) | value >> 3);
            ppu->fine_x = value & 7;
        } else {
            ppu->next_address = (uint16_t)((ppu->next_address & ~(ADDRESS_FINE_Y | ADDRESS_ROW)) |
                                           (value & 7) << 12 | (value & 0xF8) << 2);
        }
        ppu->is_second_write = !ppu->is_second_write;
        break;
    case 6: /* address: high byte, then low byte */
        if (!ppu->is_second_write) {
            ppu->next_address = (uint16_t)((ppu->next_address & 0x00FF) | (value & 0x3F) << 8);
        } else {
            ppu->next_address = (uint16_t)((ppu->next_address & 0xFF00) | value);
            ppu->address = ppu->next_address;
        }
        ppu->is_second_write = !ppu->is_second_write;
        break;
    case 7:
        write_memory(ppu, ppu->address, value);
        ppu->address = (uint16_t)(ppu->address + (ppu->control & CONTROL_DOWN ? 32 : 1));
        break;
    default: break;
    }
}

void ppu_oam_dma(Ppu *ppu, const uint8_t *page) {
    evaluate_sprites(ppu);
    int until_end = 0x100 - ppu->oam_address;
    memcpy(ppu->oam + ppu->oam_address, page, (size_t)until_end);
    memcpy(ppu->oam, page + until_end, ppu->oam_address);
}

void ppu_settle(Ppu *ppu) {
    evaluate_sprites(ppu);
    for (int i = ppu->num_line_sprites; i < MAX_LINE_SPRITES; i++) {
        ppu->line_sprites[i] = 0;
    }
    ppu->evaluation_line = 0;
}
