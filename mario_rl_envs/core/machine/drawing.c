/* Drawing: the PPU's pixels. Its timing and registers are in ppu.c.
 *
 * A scanline is composed of palette entries first, a byte each: the background tile by tile, 8
 * pixels at once, then the few sprites over it. Then the entries become colors and grays.
 */
#include "machine/drawing.h"

#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__)
#define HAS_AVX2_PATH 1
#include <immintrin.h>
#else
#define HAS_AVX2_PATH 0
#endif

enum {
    /* Bits of a sprite's attributes, its third byte in OAM. */
    SPRITE_PALETTE = 0x03,
    SPRITE_BEHIND = 0x20, /* priority: behind the background */
    SPRITE_FLIP_X = 0x40,
    SPRITE_FLIP_Y = 0x80,

    NUM_SPRITES = 64,
    EDGE_WIDTH = 8, /* columns that can be hidden */
    TAKEN = 0x20,   /* set in a palette entry that a sprite has drawn */
};

const uint8_t PALETTE[NUM_COLORS][3] = {
    {124, 124, 124}, {0, 0, 252},     {0, 0, 188},     {68, 40, 188},   {148, 0, 132},
    {168, 0, 32},    {168, 16, 0},    {136, 20, 0},    {80, 48, 0},     {0, 120, 0},
    {0, 104, 0},     {0, 88, 0},      {0, 64, 88},     {0, 0, 0},       {0, 0, 0},
    {0, 0, 0},       {188, 188, 188}, {0, 120, 248},   {0, 88, 248},    {104, 68, 252},
    {216, 0, 204},   {228, 0, 88},    {248, 56, 0},    {228, 92, 16},   {172, 124, 0},
    {0, 184, 0},     {0, 168, 0},     {0, 168, 68},    {0, 136, 136},   {0, 0, 0},
    {0, 0, 0},       {0, 0, 0},       {248, 248, 248}, {60, 188, 252},  {104, 136, 252},
    {152, 120, 248}, {248, 120, 248}, {248, 88, 152},  {248, 120, 88},  {252, 160, 68},
    {248, 184, 0},   {184, 248, 24},  {88, 216, 84},   {88, 248, 152},  {0, 232, 216},
    {120, 120, 120}, {0, 0, 0},       {0, 0, 0},       {252, 252, 252}, {164, 228, 252},
    {184, 184, 248}, {216, 184, 248}, {248, 184, 248}, {248, 164, 192}, {240, 208, 176},
    {252, 224, 168}, {248, 216, 120}, {216, 248, 120}, {184, 248, 184}, {184, 248, 216},
    {0, 252, 252},   {248, 216, 248}, {0, 0, 0},       {0, 0, 0},
};

const uint8_t LUMA[NUM_COLORS] = {
    124, 18,  13,  56,  40,  38,  47,  43,  51,  85,  74,  62,  52,  0,   0, 0,
    188, 103, 80,  88,  60,  54,  92,  115, 125, 131, 120, 125, 107, 0,   0, 0,
    248, 165, 137, 136, 156, 126, 144, 172, 184, 218, 179, 207, 181, 120, 0, 0,
    252, 216, 188, 195, 202, 183, 212, 225, 215, 231, 229, 232, 198, 225, 0, 0,
};

/* ---- Sprites ---- */

static bool is_on_evaluation_line(const Ppu *ppu, int sprite) {
    /* A sprite at y is shown from line y + 1 on. */
    unsigned row = (unsigned)(ppu->evaluation_line - ppu->oam[sprite * 4]);
    return row < (unsigned)sprite_height(ppu);
}

void evaluate_sprites(Ppu *ppu) {
    if (!ppu->is_evaluation_due) {
        return;
    }
    int num_found = 0;
    for (int i = ppu->oam_address / 4; i < NUM_SPRITES && num_found < MAX_LINE_SPRITES; i++) {
        if (is_on_evaluation_line(ppu, i)) {
            ppu->line_sprites[num_found++] = (uint8_t)i;
        }
    }
    ppu->num_line_sprites = (uint8_t)num_found;
    ppu->is_evaluation_due = false;
}

bool has_sprite_zero(const Ppu *ppu) {
    if (ppu->is_evaluation_due) {
        return ppu->oam_address < 4 && is_on_evaluation_line(ppu, 0);
    }
    return ppu->num_line_sprites > 0 && ppu->line_sprites[0] == 0;
}

/* The row of 8 pixels that a sprite shows on the line, the leftmost in the lowest byte. */
static uint64_t sprite_row(const Ppu *ppu, const Cartridge *cartridge, const uint8_t *sprite) {
    int height = sprite_height(ppu);
    /* On line 0 the sprite may be at any y: then C's remainder is negative, and the row is not one
     * of the sprite's tile, as in nes-py. */
    int y = (ppu->line - (uint8_t)(sprite[0] + 1)) % height;
    if (sprite[2] & SPRITE_FLIP_Y) {
        y ^= height - 1;
    }
    uint16_t address;
    if (height == 8) {
        address =
            (uint16_t)(sprite[1] * 16 + y + (ppu->control & CONTROL_SPRITE_PAGE) / 8 * 0x1000);
    } else {
        y = (y & 7) | (y & 8) << 1;
        address = (uint16_t)(((sprite[1] >> 1) * 32 + y) | (sprite[1] & 1) << 12);
    }
    uint64_t row = 0;
    if (address % 16 < TILE_SIZE && address < CHR_SIZE) {
        row = cartridge->tile_rows[address / 16 * TILE_SIZE + address % 16];
    } else {
        uint8_t low = ppu_read_memory(ppu, cartridge, address);
        uint8_t high = ppu_read_memory(ppu, cartridge, (uint16_t)(address + TILE_SIZE));
        row = tile_row(low, high);
    }
    if (sprite[2] & SPRITE_FLIP_X) {
        uint64_t mirrored = 0;
        for (int x = 0; x < TILE_SIZE; x++) {
            mirrored |= (row >> (8 * x) & 3) << (8 * (7 - x));
        }
        row = mirrored;
    }
    return row;
}

/* ---- The background ---- */

/* The tiles that the background is made of. */
static const uint64_t *background_tiles(const Ppu *ppu, const Cartridge *cartridge) {
    return cartridge->tile_rows + (ppu->control & CONTROL_BACKGROUND_PAGE ? NUM_TILE_ROWS / 2 : 0);
}

static bool is_background_opaque(const Ppu *ppu, const Cartridge *cartridge, uint16_t address,
                                 int x) {
    const uint64_t *rows = background_tiles(ppu, cartridge) + (address >> 12 & 7);
    int tile = ppu->nametables[nametable_offset(address)];
    return rows[tile * TILE_SIZE] >> (8 * x) & 3;
}

/* The attribute table's palettes for the row of blocks, 2 x 2 tiles each, that an address is in:
 * for each block 8 palette entries without the tile's own bits. */
static const uint64_t *block_palettes(Canvas *canvas, const Ppu *ppu, uint16_t address) {
    int table = (address & ADDRESS_NAMETABLE_X) != 0, row = (address & ADDRESS_ROW) >> 6;
    uint64_t *palettes = canvas->palettes[table];
    if (canvas->palette_rows[table] != row) {
        canvas->palette_rows[table] = row;
        /* A byte holds the palettes of 2 x 2 blocks. */
        const uint8_t *bytes = ppu->nametables + table * ADDRESS_NAMETABLE_X + 0x3C0 + row / 2 * 8;
        for (int block = 0; block < BLOCKS_PER_ROW; block++) {
            int shift = row % 2 * 4 + block % 2 * 2;
            palettes[block] = (bytes[block / 2] >> shift & 3) * 0x0404040404040404u;
        }
    }
    return palettes;
}

static inline uint8_t *put_tile(uint8_t *out, const uint64_t *rows, size_t tile, uint64_t palette) {
    uint64_t row = rows[tile * TILE_SIZE] | palette;
    memcpy(out, &row, sizeof row);
    return out + sizeof row;
}

/* Write the palette entries, 0 to 15, of so many tiles from the PPU's address to the right. */
static void draw_background(Canvas *canvas, const Ppu *ppu, const Cartridge *cartridge,
                            int num_tiles, uint8_t *out) {
    uint16_t address = ppu->address;
    const uint64_t *rows = background_tiles(ppu, cartridge) + (address >> 12 & 7);
    while (num_tiles > 0) {
        const uint64_t *palettes = block_palettes(canvas, ppu, address);
        const uint8_t *tiles = ppu->nametables + (address & (ADDRESS_NAMETABLE_X | ADDRESS_ROW));
        int first = address & ADDRESS_COLUMN, end = smaller(first + num_tiles, TILES_PER_ROW);
        int column = first;
        if (column % 2 != 0) {
            out = put_tile(out, rows, tiles[column], palettes[column / 2]);
            column++;
        }
        for (; column + 1 < end; column += 2) { /* a block */
            uint64_t palette = palettes[column / 2];
            out = put_tile(out, rows, tiles[column], palette);
            out = put_tile(out, rows, tiles[column + 1], palette);
        }
        if (column < end) {
            out = put_tile(out, rows, tiles[column], palettes[column / 2]);
        }
        num_tiles -= end - first;
        address = move_right(address, end - first);
    }
}

static bool hides_background(const Ppu *ppu, int x) {
    return x < EDGE_WIDTH && !(ppu->mask & MASK_LEFT_BACKGROUND);
}

int find_sprite_zero_hit(const Ppu *ppu, const Cartridge *cartridge, int x0, int x1) {
    if (ppu->is_sprite_zero_hit || !shows(ppu, MASK_BOTH) || !has_sprite_zero(ppu)) {
        return -1;
    }
    const uint8_t *sprite = ppu->oam;
    int left = sprite[3] > x0 ? sprite[3] : x0;
    int right = sprite[3] + TILE_SIZE < x1 ? sprite[3] + TILE_SIZE : x1;
    if (left >= right) {
        return -1;
    }
    uint64_t row = sprite_row(ppu, cartridge, sprite);
    for (int x = left; x < right; x++) {
        if (x < EDGE_WIDTH && !shows(ppu, MASK_LEFT_BACKGROUND | MASK_LEFT_SPRITES)) {
            continue;
        }
        if (!(row >> (8 * (x - sprite[3])) & 3)) {
            continue;
        }
        int num_tiles = (ppu->fine_x + x) / TILE_SIZE - (ppu->fine_x + x0) / TILE_SIZE;
        uint16_t address = move_right(ppu->address, num_tiles);
        if (is_background_opaque(ppu, cartridge, address, (ppu->fine_x + x) % TILE_SIZE)) {
            return x;
        }
    }
    return -1;
}

/* ---- Drawing ---- */

static void prepare(Canvas *canvas, const Ppu *ppu) {
    canvas->is_prepared = true;
    canvas->palette_rows[0] = canvas->palette_rows[1] = -1;
    for (int i = 0; i < 32; i++) {
        uint8_t color = ppu->palette[i & 3 ? i : 0] % NUM_COLORS;
        canvas->paint.colors[i] = color;
        canvas->paint.luma[i] = LUMA[color];
    }
    memset(canvas->num_sprites, 0, sizeof canvas->num_sprites);
    for (int i = ppu->oam_address / 4; i < NUM_SPRITES; i++) {
        int y = ppu->oam[i * 4], end = smaller(y + sprite_height(ppu), SCREEN_HEIGHT);
        for (int line = y; line < end; line++) {
            uint8_t *num_sprites = &canvas->num_sprites[line];
            if (*num_sprites < MAX_LINE_SPRITES) {
                canvas->sprites[line][(*num_sprites)++] = (uint8_t)i;
            }
        }
    }
}

static void paint_plain(const Paint *paint, const uint8_t *entries, uint8_t *colors, uint8_t *luma,
                        int width) {
    for (int x = 0; x < width; x++) {
        colors[x] = paint->colors[entries[x] % 32];
        luma[x] = paint->luma[entries[x] % 32];
    }
}

#if HAS_AVX2_PATH
/* The same for a whole line, 32 pixels at once. An entry's bit 4, which tells sprites from the
 * background, is moved to bit 7 to choose between two tables of 16. */
__attribute__((target("avx2"))) static void
paint_line_avx2(const Paint *paint, const uint8_t *entries, uint8_t *colors, uint8_t *luma) {
    const __m128i *tables = (const __m128i *)paint;
    __m256i table[4];
    for (int i = 0; i < 4; i++) {
        table[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables + i));
    }
    for (int x = 0; x < SCREEN_WIDTH; x += 32) {
        __m256i entry = _mm256_loadu_si256((const __m256i *)(entries + x));
        __m256i is_sprite = _mm256_slli_epi16(entry, 3);
        __m256i low = _mm256_and_si256(entry, _mm256_set1_epi8(15));
        __m256i color = _mm256_blendv_epi8(_mm256_shuffle_epi8(table[0], low),
                                           _mm256_shuffle_epi8(table[1], low), is_sprite);
        __m256i light = _mm256_blendv_epi8(_mm256_shuffle_epi8(table[2], low),
                                           _mm256_shuffle_epi8(table[3], low), is_sprite);
        _mm256_storeu_si256((__m256i *)(colors + x), color);
        _mm256_storeu_si256((__m256i *)(luma + x), light);
    }
}

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2");
}
#endif

static void paint_pixels(const Paint *paint, const uint8_t *entries, uint8_t *colors, uint8_t *luma,
                         int width) {
#if HAS_AVX2_PATH
    if (width == SCREEN_WIDTH && has_avx2()) {
        paint_line_avx2(paint, entries, colors, luma);
        return;
    }
#endif
    paint_plain(paint, entries, colors, luma, width);
}

/* Put the sprites of the line over the background, within the columns from x0 to before x1. The
 * first sprite in OAM wins over the others, even where it is behind the background itself. */
static void draw_sprites(const Ppu *ppu, const Cartridge *cartridge, uint8_t *entries, int x0,
                         int x1) {
    if (x0 < EDGE_WIDTH && !(ppu->mask & MASK_LEFT_SPRITES)) {
        x0 = EDGE_WIDTH;
    }
    for (int i = 0; i < ppu->num_line_sprites; i++) {
        const uint8_t *sprite = ppu->oam + ppu->line_sprites[i] * 4;
        uint64_t row = sprite_row(ppu, cartridge, sprite);
        uint8_t palette = (uint8_t)(0x10 | (sprite[2] & SPRITE_PALETTE) << 2);
        for (int x = sprite[3]; row != 0; x++, row >>= 8) {
            if (!(row & 3) || x < x0 || x >= x1 || (entries[x] & TAKEN)) {
                continue;
            }
            bool is_hidden = (sprite[2] & SPRITE_BEHIND) && (entries[x] & 3);
            entries[x] = (uint8_t)(TAKEN | (is_hidden ? entries[x] : palette | (row & 3)));
        }
    }
}

void draw_pixels(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int x0, int x1) {
    if (!canvas->is_prepared) {
        prepare(canvas, ppu);
    }
    uint8_t space[TILE_SIZE + SCREEN_WIDTH + TILE_SIZE]; /* tiles overhang on both sides */
    uint8_t *entries = space + TILE_SIZE;
    if (shows(ppu, MASK_BACKGROUND)) {
        int left = x0 - (ppu->fine_x + x0) % TILE_SIZE;
        int num_tiles = (x1 - left + TILE_SIZE - 1) / TILE_SIZE;
        draw_background(canvas, ppu, cartridge, num_tiles, entries + left);
        if (hides_background(ppu, x0)) {
            memset(entries, 0, EDGE_WIDTH);
        }
    } else {
        memset(space, 0, sizeof space);
    }
    if (shows(ppu, MASK_SPRITES)) {
        if (ppu->is_evaluation_due) { /* the same as `evaluate_sprites` would find */
            ppu->num_line_sprites = canvas->num_sprites[ppu->evaluation_line];
            memcpy(ppu->line_sprites, canvas->sprites[ppu->evaluation_line], ppu->num_line_sprites);
            ppu->is_evaluation_due = false;
        }
        draw_sprites(ppu, cartridge, entries, x0, x1);
    }
    paint_pixels(&canvas->paint, entries + x0, &canvas->picture->colors[ppu->line][x0],
                 &canvas->picture->luma[ppu->line][x0], x1 - x0);
}
