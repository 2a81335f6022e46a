/* The picture processing unit (PPU): 262 lines of 341 dots make a picture of 240 lines of 256 pixels.
 *
 * It is run in pieces of any length, up to the dot that the CPU has come to. What a piece of a line
 * does to the registers is worked out at once, without going through its dots; pixels are made only
 * when somebody wants a picture. The game notices one thing of the pixels that nobody drew: the
 * "sprite 0 hit", so that is looked for in the few lines where sprite 0 is.
 *
 * What the PPU does when: https://www.nesdev.org/wiki/PPU_rendering. Differences to the chip, as in
 * nes-py: sprites are looked for at a line's end, from OAMADDR on, and line 0 shows those found on
 * line 239, as they are by then; the vertical scroll is copied if the dot is run with both layers
 * on; a sprite 0 hit is possible at x = 255; there is neither a sprite overflow flag, nor greyscale,
 * nor colour emphasis.
 */
#include "ppu.h"

#include <string.h>

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define HAS_AVX2_PATH 1
#include <immintrin.h>
#else
#define HAS_AVX2_PATH 0
#endif

enum {
    FIRST_LINE = PPU_FIRST_LINE,
    LAST_LINE = PPU_LAST_LINE,
    LAST_DOT = PPU_LAST_DOT,
    VBLANK_LINE = 241,
    VBLANK_DOT = 1,
    CLEAR_DOT = 1, /* of the first line: flags are cleared */
    NEXT_ROW_DOT = 257,
    COPY_X_DOT = 258,
    COPY_Y_FIRST_DOT = 281,
    COPY_Y_LAST_DOT = 304,
    SKIPPED_DOT = 340, /* the first line's last, every other picture */

    /* Bits of $2000. */
    CONTROL_NAME_TABLE = 0x03,
    CONTROL_DOWN = 0x04,            /* $2007 goes on by a row, not by a column */
    CONTROL_SPRITE_PAGE = 0x08,     /* where small sprites' tiles are */
    CONTROL_BACKGROUND_PAGE = 0x10, /* where the background's are */
    CONTROL_TALL_SPRITES = 0x20,    /* 8 x 16 pixels */
    CONTROL_INTERRUPT = 0x80,       /* when the picture is done */

    /* Bits of $2001. */
    MASK_LEFT_BACKGROUND = 0x02, /* show it in the leftmost 8 columns, too */
    MASK_LEFT_SPRITES = 0x04,
    MASK_BACKGROUND = 0x08,
    MASK_SPRITES = 0x10,
    MASK_BOTH = MASK_BACKGROUND | MASK_SPRITES,

    /* Bits of the address: yyy NN YYYYY XXXXX, fine y, name table, tile row, tile column. */
    ADDRESS_COLUMN = 0x001F,
    ADDRESS_ROW = 0x03E0,
    ADDRESS_TABLE_X = 0x0400,
    ADDRESS_TABLE_Y = 0x0800,
    ADDRESS_FINE_Y = 0x7000,
    ADDRESS_X = ADDRESS_COLUMN | ADDRESS_TABLE_X,
    ADDRESS_Y = ADDRESS_ROW | ADDRESS_TABLE_Y | ADDRESS_FINE_Y,

    /* Bits of a sprite's attributes. */
    SPRITE_PALETTE = 0x03,
    SPRITE_BEHIND = 0x20, /* the background */
    SPRITE_MIRRORED = 0x40,
    SPRITE_UPSIDE_DOWN = 0x80,

    NUM_SPRITES = 64,
    TILE_SIZE = 8,
    EDGE_WIDTH = 8, /* columns that can be hidden */
    PALETTE_START = 0x3F00,
    VRAM_SIZE = 0x4000,
};

const uint8_t PALETTE[NUM_COLOURS][3] = {
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

const uint8_t LUMA[NUM_COLOURS] = {
    124, 18,  13,  56,  40,  38,  47,  43,  51,  85,  74,  62,  52,  0,   0, 0,
    188, 103, 80,  88,  60,  54,  92,  115, 125, 131, 120, 125, 107, 0,   0, 0,
    248, 165, 137, 136, 156, 126, 144, 172, 184, 218, 179, 207, 181, 120, 0, 0,
    252, 216, 188, 195, 202, 183, 212, 225, 215, 231, 229, 232, 198, 225, 0, 0,
};

void ppu_power_on(Ppu *ppu) {
    /* The first line is one dot longer this once, and both layers are on. */
    *ppu = (Ppu){.line = FIRST_LINE,
                 .is_even_frame = true,
                 .mask = MASK_BOTH | MASK_LEFT_BACKGROUND | MASK_LEFT_SPRITES};
}

/* ---- What is where ---- */

static int smaller(int a, int b) {
    return a < b ? a : b;
}

static int name_table_offset(uint16_t address) {
    /* Two tables side by side; the two below are the same again. */
    return (address & ADDRESS_TABLE_X) | (address & 0x3FF);
}

static int palette_offset(uint16_t address) {
    /* The transparent colours of sprites are those of the background. */
    int offset = address & 0x1F;
    return offset & 3 ? offset : offset & 0x0F;
}

static uint8_t read_vram(const Ppu *ppu, const Cartridge *cartridge, uint16_t address) {
    address %= VRAM_SIZE;
    if (address < PICTURES_SIZE)
        return cartridge->pictures[address];
    if (address < PALETTE_START)
        return ppu->name_tables[name_table_offset(address)];
    return ppu->palette[palette_offset(address)];
}

static void write_vram(Ppu *ppu, uint16_t address, uint8_t value) {
    address %= VRAM_SIZE;
    if (address < PICTURES_SIZE)
        return; /* ROM */
    if (address < PALETTE_START) {
        ppu->name_tables[name_table_offset(address)] = value;
    } else {
        ppu->palette[palette_offset(address)] = value;
    }
}

/* ---- Scrolling: how the address moves while a picture is drawn ---- */

/* Go some tiles to the right, at most 32. */
static uint16_t move_right(uint16_t address, int num_tiles) {
    int column = (address & ADDRESS_COLUMN) + num_tiles;
    if (column > ADDRESS_COLUMN)
        address ^= ADDRESS_TABLE_X;
    return (uint16_t)((address & ~ADDRESS_COLUMN) | (column & ADDRESS_COLUMN));
}

static uint16_t move_down(uint16_t address) {
    if ((address & ADDRESS_FINE_Y) != ADDRESS_FINE_Y)
        return (uint16_t)(address + 0x1000);
    int row = (address & ADDRESS_ROW) >> 5;
    address &= (uint16_t) ~(ADDRESS_FINE_Y | ADDRESS_ROW);
    if (row == 29)
        return address ^ ADDRESS_TABLE_Y; /* below row 29 is the other table */
    return (uint16_t)(address | ((row + 1) % 32) << 5);
}

static void copy_bits(Ppu *ppu, uint16_t bits) {
    ppu->address = (uint16_t)((ppu->address & ~bits) | (ppu->next_address & bits));
}

static bool shows(const Ppu *ppu, int layers) {
    return (ppu->mask & layers) == layers;
}

/* ---- Sprites ---- */

static int sprite_height(const Ppu *ppu) {
    return ppu->control & CONTROL_TALL_SPRITES ? 16 : 8;
}

static bool is_on_search_line(const Ppu *ppu, int sprite) {
    /* A sprite at y is seen from line y + 1 on. */
    unsigned row = (unsigned)(ppu->search_line - ppu->oam[sprite * 4]);
    return row < (unsigned)sprite_height(ppu);
}

/* Find the sprites of the line to be drawn next, if that is still to be done. */
static void search_sprites(Ppu *ppu) {
    if (!ppu->is_search_due)
        return;
    int num_found = 0;
    for (int i = ppu->oam_address / 4; i < NUM_SPRITES && num_found < MAX_LINE_SPRITES; i++) {
        if (is_on_search_line(ppu, i))
            ppu->line_sprites[num_found++] = (uint8_t)i;
    }
    ppu->num_line_sprites = (uint8_t)num_found;
    ppu->is_search_due = false;
}

/* Whether sprite 0 is among the sprites of the line: the first then. */
static bool has_sprite_zero(const Ppu *ppu) {
    if (ppu->is_search_due)
        return ppu->oam_address < 4 && is_on_search_line(ppu, 0);
    return ppu->num_line_sprites > 0 && ppu->line_sprites[0] == 0;
}

/* The row of 8 pixels that a sprite shows on the line, the leftmost in the lowest byte. */
static uint64_t sprite_row(const Ppu *ppu, const Cartridge *cartridge, const uint8_t *sprite) {
    int height = sprite_height(ppu);
    /* On line 0 the sprite may be anywhere: then C's remainder is negative, and what is read is not
     * the sprite's tile, in nes-py neither. */
    int y = (ppu->line - (uint8_t)(sprite[0] + 1)) % height;
    if (sprite[2] & SPRITE_UPSIDE_DOWN)
        y ^= height - 1;
    uint16_t address;
    if (height == 8) {
        address =
            (uint16_t)(sprite[1] * 16 + y + (ppu->control & CONTROL_SPRITE_PAGE) / 8 * 0x1000);
    } else {
        y = (y & 7) | (y & 8) << 1;
        address = (uint16_t)(((sprite[1] >> 1) * 32 + y) | (sprite[1] & 1) << 12);
    }
    uint64_t row = 0;
    if (address % 16 < TILE_SIZE && address < PICTURES_SIZE) {
        row = cartridge->tile_rows[address / 16 * TILE_SIZE + address % 16];
    } else {
        uint8_t low = read_vram(ppu, cartridge, address);
        uint8_t high = read_vram(ppu, cartridge, (uint16_t)(address + TILE_SIZE));
        for (int x = 0; x < TILE_SIZE; x++) {
            uint64_t pixel = ((low >> (7 - x)) & 1) | ((high >> (7 - x)) & 1) << 1;
            row |= pixel << (8 * x);
        }
    }
    if (sprite[2] & SPRITE_MIRRORED) {
        uint64_t mirrored = 0;
        for (int x = 0; x < TILE_SIZE; x++)
            mirrored |= (row >> (8 * x) & 3) << (8 * (7 - x));
        row = mirrored;
    }
    return row;
}

/* ---- The background ---- */

/* The palettes of a row of tiles. A byte holds those of 2 x 2 blocks of 2 x 2 tiles. */
typedef struct {
    const uint8_t *bytes; /* one for 4 tiles */
    int shift;            /* of the upper or the lower blocks */
} Palettes;

static Palettes find_palettes(const uint8_t *table, uint16_t address) {
    return (Palettes){table + (0x3C0 | (address >> 4 & 0x38)), address >> 4 & 4};
}

/* The row of 8 pixels of the tile in a column, 0 to 15: palette and colour in it. */
static inline uint64_t background_row(const uint64_t *rows, const uint8_t *tiles, Palettes palettes,
                                      int column) {
    uint64_t palette = palettes.bytes[column >> 2] >> (palettes.shift | (column & 2)) & 3;
    return rows[tiles[column] * TILE_SIZE] | palette * 0x0404040404040404u;
}

/* The tiles that the background is made of. */
static const uint64_t *background_page(const Ppu *ppu, const Cartridge *cartridge) {
    return cartridge->tile_rows + (ppu->control & CONTROL_BACKGROUND_PAGE ? NUM_TILE_ROWS / 2 : 0);
}

/* Write the pixels of so many tiles, from an address to the right. */
static void draw_background(const Ppu *ppu, const Cartridge *cartridge, uint16_t address,
                            int num_tiles, uint8_t *out) {
    const uint64_t *rows = background_page(ppu, cartridge) + (address >> 12 & 7);
    while (num_tiles > 0) {
        const uint8_t *table = ppu->name_tables + (address & ADDRESS_TABLE_X);
        const uint8_t *tiles = table + (address & ADDRESS_ROW);
        Palettes palettes = find_palettes(table, address);
        int first = address & ADDRESS_COLUMN, end = smaller(first + num_tiles, 32);
        for (int column = first; column < end; column++) {
            uint64_t row = background_row(rows, tiles, palettes, column);
            memcpy(out, &row, sizeof row);
            out += TILE_SIZE;
        }
        num_tiles -= end - first;
        address = move_right(address, end - first);
    }
}

static bool hides_background(const Ppu *ppu, int x) {
    return x < EDGE_WIDTH && !(ppu->mask & MASK_LEFT_BACKGROUND);
}

/* The first of the columns from x0 to before x1 where sprite 0 hits the background, or -1. */
static int find_sprite_zero_hit(const Ppu *ppu, const Cartridge *cartridge, int x0, int x1) {
    if (ppu->is_sprite_zero_hit || !shows(ppu, MASK_BOTH) || !has_sprite_zero(ppu))
        return -1;
    const uint8_t *sprite = ppu->oam;
    int left = sprite[3] > x0 ? sprite[3] : x0;
    int right = sprite[3] + TILE_SIZE < x1 ? sprite[3] + TILE_SIZE : x1;
    if (left >= right)
        return -1;
    uint64_t row = sprite_row(ppu, cartridge, sprite);
    for (int x = left; x < right; x++) {
        if (x < EDGE_WIDTH && !shows(ppu, MASK_LEFT_BACKGROUND | MASK_LEFT_SPRITES))
            continue;
        if (!(row >> (8 * (x - sprite[3])) & 3))
            continue;
        int num_tiles = (ppu->fine_x + x) / TILE_SIZE - (ppu->fine_x + x0) / TILE_SIZE;
        uint8_t tile[TILE_SIZE];
        draw_background(ppu, cartridge, move_right(ppu->address, num_tiles), 1, tile);
        if (tile[(ppu->fine_x + x) % TILE_SIZE] & 3)
            return x;
    }
    return -1;
}

/* ---- Drawing ---- */

/* What becomes of the 32 entries of the palette. */
typedef struct {
    uint8_t colours[32];
    uint8_t luma[32];
} Paint;

/* What stays the same while the CPU does nothing, worked out before drawing. */
typedef struct {
    Picture *picture;
    Paint paint;
    bool has_sprites[0x100 + 16]; /* whether a search on this line would find any */
} Canvas;

static void prepare(const Ppu *ppu, Canvas *canvas) {
    for (int i = 0; i < 32; i++) {
        uint8_t colour = ppu->palette[i & 3 ? i : 0] % NUM_COLOURS;
        canvas->paint.colours[i] = colour;
        canvas->paint.luma[i] = LUMA[colour];
    }
    memset(canvas->has_sprites, 0, sizeof canvas->has_sprites);
    bool is_tall = sprite_height(ppu) > TILE_SIZE;
    for (int i = 0; i < NUM_SPRITES; i++) {
        bool *lines = canvas->has_sprites + ppu->oam[i * 4];
        memset(lines, true, TILE_SIZE);
        if (is_tall)
            memset(lines + TILE_SIZE, true, TILE_SIZE);
    }
}

static void paint_plain(const Paint *paint, const uint8_t *entries, uint8_t *colours, uint8_t *luma,
                        int width) {
    for (int x = 0; x < width; x++) {
        colours[x] = paint->colours[entries[x]];
        luma[x] = paint->luma[entries[x]];
    }
}

#if HAS_AVX2_PATH
/* The same for a whole line, 32 pixels at once. An entry's bit 4, which tells sprites from the
 * background, is moved to bit 7 to choose between two tables of 16. */
__attribute__((target("avx2"))) static void
paint_line_avx2(const Paint *paint, const uint8_t *entries, uint8_t *colours, uint8_t *luma) {
    const __m128i *tables = (const __m128i *)paint;
    __m256i table[4];
    for (int i = 0; i < 4; i++)
        table[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables + i));
    for (int x = 0; x < SCREEN_WIDTH; x += 32) {
        __m256i entry = _mm256_loadu_si256((const __m256i *)(entries + x));
        __m256i is_sprite = _mm256_slli_epi16(entry, 3);
        __m256i low = _mm256_and_si256(entry, _mm256_set1_epi8(15));
        __m256i colour = _mm256_blendv_epi8(_mm256_shuffle_epi8(table[0], low),
                                            _mm256_shuffle_epi8(table[1], low), is_sprite);
        __m256i light = _mm256_blendv_epi8(_mm256_shuffle_epi8(table[2], low),
                                           _mm256_shuffle_epi8(table[3], low), is_sprite);
        _mm256_storeu_si256((__m256i *)(colours + x), colour);
        _mm256_storeu_si256((__m256i *)(luma + x), light);
    }
}

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2");
}
#endif

static void paint_pixels(const Paint *paint, const uint8_t *entries, uint8_t *colours,
                         uint8_t *luma, int width) {
#if HAS_AVX2_PATH
    if (width == SCREEN_WIDTH && has_avx2()) {
        paint_line_avx2(paint, entries, colours, luma);
        return;
    }
#endif
    paint_plain(paint, entries, colours, luma, width);
}

/* Put the sprites of the line over the background, within the columns from x0 to before x1. Among
 * sprites the first in the list wins, even where it is then behind the background. */
static void draw_sprites(const Ppu *ppu, const Cartridge *cartridge, uint8_t *entries, int x0,
                         int x1) {
    if (x0 < EDGE_WIDTH && !(ppu->mask & MASK_LEFT_SPRITES))
        x0 = EDGE_WIDTH;
    uint8_t taken[SCREEN_WIDTH + TILE_SIZE];
    if (ppu->num_line_sprites > 1)
        memset(taken, 0, sizeof taken);
    for (int i = 0; i < ppu->num_line_sprites; i++) {
        const uint8_t *sprite = ppu->oam + ppu->line_sprites[i] * 4;
        uint64_t row = sprite_row(ppu, cartridge, sprite);
        uint8_t palette = (uint8_t)(0x10 | (sprite[2] & SPRITE_PALETTE) << 2);
        for (int x = sprite[3]; row != 0; x++, row >>= 8) {
            if (!(row & 3) || x < x0 || x >= x1)
                continue;
            if (ppu->num_line_sprites > 1) {
                if (taken[x])
                    continue;
                taken[x] = true;
            }
            bool is_hidden = (sprite[2] & SPRITE_BEHIND) && (entries[x] & 3);
            if (!is_hidden)
                entries[x] = (uint8_t)(palette | (row & 3));
        }
    }
}

/* Draw the columns from x0 to before x1 of the line. */
static void draw(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int x0, int x1) {
    uint8_t space[TILE_SIZE + SCREEN_WIDTH + TILE_SIZE]; /* a tile may stick out on both sides */
    uint8_t *entries = space + TILE_SIZE;
    if (shows(ppu, MASK_BACKGROUND)) {
        int left = x0 - (ppu->fine_x + x0) % TILE_SIZE;
        int num_tiles = (x1 - left + TILE_SIZE - 1) / TILE_SIZE;
        draw_background(ppu, cartridge, ppu->address, num_tiles, entries + left);
        if (hides_background(ppu, x0))
            memset(entries, 0, EDGE_WIDTH);
    } else {
        memset(space, 0, sizeof space);
    }
    if (shows(ppu, MASK_SPRITES)) {
        if (ppu->is_search_due && !canvas->has_sprites[ppu->search_line]) {
            ppu->num_line_sprites = 0;
            ppu->is_search_due = false;
        }
        search_sprites(ppu);
        draw_sprites(ppu, cartridge, entries, x0, x1);
    }
    paint_pixels(&canvas->paint, entries + x0, &canvas->picture->colours[ppu->line][x0],
                 &canvas->picture->luma[ppu->line][x0], x1 - x0);
}

/* ---- Time ---- */

/* Whether a dot is among those from `first` to before `end`. */
static bool passes(int dot, int first, int end) {
    return first <= dot && dot < end;
}

/* The last dot of the line before the picture. */
static int last_dot_of_first_line(const Ppu *ppu) {
    bool is_shorter = !ppu->is_even_frame && shows(ppu, MASK_BOTH);
    return is_shorter && ppu->dot <= SKIPPED_DOT ? SKIPPED_DOT : LAST_DOT;
}

static int run_first_line(Ppu *ppu, int num_dots) {
    int first = ppu->dot, last = last_dot_of_first_line(ppu);
    int end = smaller(first + num_dots, last + 1);
    if (passes(CLEAR_DOT, first, end))
        ppu->is_vblank = ppu->is_sprite_zero_hit = false;
    if (shows(ppu, MASK_BOTH)) {
        if (passes(COPY_X_DOT, first, end))
            copy_bits(ppu, ADDRESS_X);
        if (first <= COPY_Y_LAST_DOT && end > COPY_Y_FIRST_DOT)
            copy_bits(ppu, ADDRESS_Y);
    }
    ppu->dot = (int16_t)end;
    if (end > last) {
        ppu->line = 0;
        ppu->dot = 1;
    }
    return end - first;
}

/* Lines that nobody looks at and whose pixels make no difference: all that they do is to move the
 * address. Returns the dots run. */
static int skip_lines(Ppu *ppu, int num_dots) {
    int num_lines = smaller(num_dots / LAST_DOT, SCREEN_HEIGHT - ppu->line);
    if (!shows(ppu, MASK_BOTH))
        return 0;
    if (!ppu->is_sprite_zero_hit) {
        /* Sprite 0 must be on none of them: it is on the lines after its y. */
        int y = ppu->oam[0];
        if (has_sprite_zero(ppu))
            return 0;
        if (ppu->line > y && ppu->line < y + sprite_height(ppu))
            return 0;
        if (ppu->line <= y)
            num_lines = smaller(num_lines, y + 1 - ppu->line);
    }
    if (num_lines == 0)
        return 0;
    for (int i = 0; i < num_lines; i++)
        ppu->address = move_down(ppu->address);
    copy_bits(ppu, ADDRESS_X);
    ppu->line = (int16_t)(ppu->line + num_lines);
    ppu->is_search_due = true;
    ppu->search_line = (int16_t)(ppu->line - 1);
    return num_lines * LAST_DOT;
}

static int run_visible_line(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int num_dots) {
    if (canvas == NULL && ppu->dot == 1) {
        int num_skipped = skip_lines(ppu, num_dots);
        if (num_skipped > 0)
            return num_skipped;
    }
    int first = ppu->dot, end = smaller(first + num_dots, LAST_DOT + 1);
    int x0 = first - 1, x1 = smaller(end - 1, SCREEN_WIDTH);
    if (x0 < x1) {
        if (find_sprite_zero_hit(ppu, cartridge, x0, x1) >= 0)
            ppu->is_sprite_zero_hit = true;
        if (canvas != NULL)
            draw(ppu, cartridge, canvas, x0, x1);
        if (shows(ppu, MASK_BACKGROUND)) {
            int num_tiles = (ppu->fine_x + x1) / TILE_SIZE - (ppu->fine_x + x0) / TILE_SIZE;
            ppu->address = move_right(ppu->address, num_tiles);
        }
    }
    if (shows(ppu, MASK_BACKGROUND) && passes(NEXT_ROW_DOT, first, end)) {
        ppu->address = move_down(ppu->address);
    }
    if (shows(ppu, MASK_BOTH) && passes(COPY_X_DOT, first, end))
        copy_bits(ppu, ADDRESS_X);
    ppu->dot = (int16_t)end;
    if (end > LAST_DOT) {
        ppu->is_search_due = true;
        ppu->search_line = ppu->line++;
        ppu->dot = 1;
    }
    return end - first;
}

static int run_blank_line(Ppu *ppu, int num_dots) {
    int first = ppu->dot, end = smaller(first + num_dots, LAST_DOT + 1);
    if (ppu->line == VBLANK_LINE && passes(VBLANK_DOT, first, end))
        ppu->is_vblank = true;
    ppu->dot = (int16_t)end;
    if (end > LAST_DOT) {
        ppu->dot = 1;
        if (ppu->line++ == LAST_LINE) {
            ppu->line = FIRST_LINE;
            ppu->is_even_frame = !ppu->is_even_frame;
        }
    }
    return end - first;
}

void ppu_run(Ppu *ppu, const Cartridge *cartridge, Picture *picture, int num_dots) {
    Canvas canvas, *prepared = NULL;
    while (num_dots > 0) {
        if (ppu->line == FIRST_LINE) {
            num_dots -= run_first_line(ppu, num_dots);
        } else if (ppu->line < SCREEN_HEIGHT) {
            if (picture != NULL && prepared == NULL) {
                canvas.picture = picture;
                prepare(ppu, &canvas);
                prepared = &canvas;
            }
            num_dots -= run_visible_line(ppu, cartridge, prepared, num_dots);
        } else {
            num_dots -= run_blank_line(ppu, num_dots);
        }
    }
}

/* The dots from the next one to a dot of a line, both included; `line` is not before the next. */
static int dots_to(const Ppu *ppu, int line, int dot) {
    return (line - ppu->line) * LAST_DOT + dot - ppu->dot + 1;
}

int ppu_dots_to_event(const Ppu *ppu) {
    if (ppu->line == FIRST_LINE) {
        return ppu->dot <= SKIPPED_DOT ? dots_to(ppu, FIRST_LINE, SKIPPED_DOT) : 1;
    }
    if (ppu->line < VBLANK_LINE || (ppu->line == VBLANK_LINE && ppu->dot <= VBLANK_DOT)) {
        return dots_to(ppu, VBLANK_LINE, VBLANK_DOT);
    }
    return dots_to(ppu, LAST_LINE + 1, SKIPPED_DOT);
}

bool ppu_interrupts(const Ppu *ppu) {
    bool is_done = ppu->line == VBLANK_LINE && ppu->dot == VBLANK_DOT + 1;
    return is_done && (ppu->control & CONTROL_INTERRUPT);
}

int ppu_dots_to_sprite_zero(const Ppu *ppu, const Cartridge *cartridge, bool set, int max_dots) {
    Ppu probe = *ppu;
    int num_dots = 0;
    while (num_dots < max_dots) {
        if (!set) {
            /* The flag is cleared on the line before the picture. */
            int line =
                probe.line == FIRST_LINE && probe.dot <= CLEAR_DOT ? FIRST_LINE : LAST_LINE + 1;
            return dots_to(&probe, line, CLEAR_DOT);
        }
        if (probe.line >= 0 && probe.line < SCREEN_HEIGHT && probe.dot <= SCREEN_WIDTH) {
            int x0 = probe.dot - 1;
            int x = find_sprite_zero_hit(&probe, cartridge, x0, SCREEN_WIDTH);
            if (x >= 0)
                return num_dots + x - x0 + 1;
        }
        int line_end = LAST_DOT - probe.dot + 1;
        ppu_run(&probe, cartridge, NULL, line_end);
        num_dots += line_end;
    }
    return max_dots;
}

/* ---- Registers ---- */

uint8_t ppu_read(Ppu *ppu, const Cartridge *cartridge, int reg) {
    switch (reg) {
    case 2: { /* status */
        uint8_t status = (uint8_t)(ppu->is_vblank << 7 | ppu->is_sprite_zero_hit << 6);
        ppu->is_vblank = false;
        ppu->is_second_write = false;
        return status;
    }
    case 4: return ppu->oam[ppu->oam_address];
    case 7: {
        uint16_t address = ppu->address % VRAM_SIZE;
        uint8_t value = read_vram(ppu, cartridge, address);
        ppu->address = (uint16_t)(ppu->address + (ppu->control & CONTROL_DOWN ? 32 : 1));
        if (address >= PALETTE_START)
            return value; /* the palette is read at once */
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
        search_sprites(ppu); /* while their size is what it was */
        ppu->control = value;
        ppu->next_address =
            (uint16_t)((ppu->next_address & ~0x0C00) | (value & CONTROL_NAME_TABLE) << 10);
        break;
    case 1: ppu->mask = value; break;
    case 3:
        search_sprites(ppu);
        ppu->oam_address = value;
        break;
    case 4:
        search_sprites(ppu);
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
        write_vram(ppu, ppu->address, value);
        ppu->address = (uint16_t)(ppu->address + (ppu->control & CONTROL_DOWN ? 32 : 1));
        break;
    default: break;
    }
}

void ppu_write_sprites(Ppu *ppu, const uint8_t *page) {
    search_sprites(ppu);
    int until_end = 0x100 - ppu->oam_address;
    memcpy(ppu->oam + ppu->oam_address, page, (size_t)until_end);
    memcpy(ppu->oam, page + until_end, ppu->oam_address);
}
