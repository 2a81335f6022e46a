/* Drawing: the PPU's pixels. Its timing and registers are in ppu.c.
 *
 * A scanline is composed of palette entries first, a byte each. The background is the same row of
 * tiles on eight lines, so the tiles are laid out for all of these at once. The few sprites of a
 * line are put over it, 8 pixels at once. Then the entries become colors or grays by table.
 */
#include "machine/drawing.h"

#include <string.h>

#include "machine/avx2.h"

enum {
    /* Bits of a sprite's attributes, its third byte in OAM. */
    SPRITE_PALETTE = 0x03,
    SPRITE_BEHIND = 0x20, /* priority: behind the background */
    SPRITE_FLIP_X = 0x40,
    SPRITE_FLIP_Y = 0x80,

    NUM_SPRITES = 64,
    BLOCKS_PER_LINE = TILES_PER_LINE / 4,
    SPRITE_ENTRY = 0x10, /* of the palette: the first of the sprites */
    EDGE_WIDTH = 8,      /* columns that can be hidden */
};

/* A byte in each of eight pixels. */
#define EACH(byte) ((byte) * 0x0101010101010101u)

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

static uint64_t load_pixels(const uint8_t *from) {
    uint64_t pixels;
    memcpy(&pixels, from, sizeof pixels);
    return pixels;
}

static void store_pixels(uint8_t *to, uint64_t pixels) {
    memcpy(to, &pixels, sizeof pixels);
}

/* All bits of the pixels in which the bit is set that is the lowest of a byte after shifting. */
static uint64_t pixels_with(uint64_t pixels, int shift) {
    return (pixels >> shift & EACH(1u)) * 0xFF;
}

static uint64_t opaque_pixels(uint64_t pixels) {
    return pixels_with(pixels | pixels >> 1, 0);
}

/* ---- Sprites ---- */

static bool is_on_evaluation_line(const Ppu *ppu, int sprite) {
    /* A sprite at y is shown from line y + 1 on. */
    unsigned row = (unsigned)(ppu->evaluation_line - ppu->oam[sprite * 4]);
    return row < (unsigned)sprite_height(ppu);
}

/* Whether `is_on_evaluation_line` for any sprite: all are looked at, which a compiler turns into
 * vectors. The height is a power of two. */
static bool is_any_on_evaluation_line(const Ppu *ppu) {
    uint32_t sprites[NUM_SPRITES]; /* y in the lowest byte */
    memcpy(sprites, ppu->oam, sizeof sprites);
    uint32_t line = (uint32_t)ppu->evaluation_line, outside = ~(uint32_t)(sprite_height(ppu) - 1);
    uint32_t found = 0;
    for (int i = 0; i < NUM_SPRITES; i++) {
        found |= ((line - (sprites[i] & 0xFF)) & outside) == 0;
    }
    return found != 0;
}

void evaluate_sprites(Ppu *ppu) {
    if (!ppu->is_evaluation_due) {
        return;
    }
    int num_found = 0;
    int end = is_any_on_evaluation_line(ppu) ? NUM_SPRITES : 0; /* most often there is none */
    for (int i = ppu->oam_address / 4; i < end && num_found < MAX_LINE_SPRITES; i++) {
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

/* Eight pixels from right to left. */
static uint64_t mirror(uint64_t row) {
    row = row >> 32 | row << 32;
    row = (row >> 16 & 0x0000FFFF0000FFFFu) | (row & 0x0000FFFF0000FFFFu) << 16;
    return (row >> 8 & 0x00FF00FF00FF00FFu) | (row & 0x00FF00FF00FF00FFu) << 8;
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
        row = mirror(row);
    }
    return row;
}

/* ---- The background ---- */

/* The tiles that the background is made of. */
static const uint64_t *background_tiles(const Ppu *ppu, const Cartridge *cartridge) {
    return cartridge->tile_rows + (ppu->control & CONTROL_BACKGROUND_PAGE ? NUM_TILE_ROWS / 2 : 0);
}

/* The row of 8 pixels of the tile that is so many tiles to the right of the PPU's address. */
static uint64_t background_row(const Ppu *ppu, const Cartridge *cartridge, int num_tiles) {
    uint16_t address = move_right(ppu->address, num_tiles);
    int tile = ppu->nametables[nametable_offset(address)];
    return background_tiles(ppu, cartridge)[tile * TILE_SIZE + (address >> 12 & 7)];
}

/* A row of tiles through both tables, and the first again, so that it can be read from any tile on. */
typedef struct {
    uint8_t tiles[3 * TILES_PER_LINE];
    /* The first palette entry of each pair of tiles: of the left and the right pair of a block. */
    uint8_t palettes[2][3 * BLOCKS_PER_LINE];
} TileRow;

static void read_tiles(const Ppu *ppu, uint16_t address, TileRow *row) {
    for (int i = 0; i < 3; i++, address ^= ADDRESS_NAMETABLE_X) {
        const uint8_t *table = ppu->nametables + (address & ADDRESS_NAMETABLE_X);
        memcpy(row->tiles + i * TILES_PER_LINE, table + (address & ADDRESS_ROW), TILES_PER_LINE);
        /* In the attribute table, behind the tiles, a byte holds the palettes of a block of 2 x 2
         * pairs, two bits each. */
        uint64_t bytes = load_pixels(table + 0x3C0 + (address >> 4 & 0x38));
        uint64_t palettes = bytes >> (address >> 4 & 4);
        store_pixels(row->palettes[0] + i * BLOCKS_PER_LINE, (palettes & EACH(3u)) << 2);
        store_pixels(row->palettes[1] + i * BLOCKS_PER_LINE, palettes & EACH(0x0Cu));
    }
}

/* The part of a row of tiles that a strip shows: STRIP_TILES tiles, in fours of two pairs. */
typedef struct {
    const uint64_t *rows; /* of all tiles */
    const uint8_t *tiles;
    const uint8_t *left; /* the palettes of the left pairs */
    const uint8_t *right;
} StripTiles;

static StripTiles find_strip(const TileRow *row, int column, const uint64_t *rows) {
    const uint8_t *first = row->palettes[0] + column / 4, *second = row->palettes[1] + column / 4;
    bool is_in_block = column / 2 % 2 != 0; /* its right pair is the first */
    return (StripTiles){
        .rows = rows,
        .tiles = row->tiles + column,
        .left = is_in_block ? second : first,
        .right = is_in_block ? first + 1 : second,
    };
}

static void lay_out_plain(const StripTiles *from, Strip strip) {
    for (int i = 0; i < STRIP_TILES; i++) {
        const uint64_t *rows = from->rows + from->tiles[i] * TILE_SIZE;
        uint64_t palette = EACH((uint64_t)(i % 4 < 2 ? from->left : from->right)[i / 4]);
        for (int y = 0; y < TILE_SIZE; y++) {
            store_pixels(&strip[y][i * TILE_SIZE], rows[y] | palette);
        }
    }
}

#if IS_X86_64
/* The same, four tiles and four lines at once: vectors of four rows of a tile become vectors of a
 * row of four tiles. */
AVX2_FUNCTION static void lay_out_avx2(const StripTiles *from, Strip strip) {
    for (int i = 0; i < STRIP_TILES; i += 4) {
        __m256i left = _mm256_set1_epi8((char)from->left[i / 4]);
        __m256i right = _mm256_set1_epi8((char)from->right[i / 4]);
        UNROLLED
        for (int y = 0; y < TILE_SIZE; y += 4) {
            __m256i rows[4];
            UNROLLED
            for (int k = 0; k < 4; k++) {
                const uint64_t *row = from->rows + from->tiles[i + k] * TILE_SIZE + y;
                rows[k] = _mm256_loadu_si256((const __m256i *)row);
                rows[k] = _mm256_or_si256(rows[k], k < 2 ? left : right);
            }
            __m256i even_left = _mm256_unpacklo_epi64(rows[0], rows[1]); /* rows 0 and 2 */
            __m256i odd_left = _mm256_unpackhi_epi64(rows[0], rows[1]);
            __m256i even_right = _mm256_unpacklo_epi64(rows[2], rows[3]);
            __m256i odd_right = _mm256_unpackhi_epi64(rows[2], rows[3]);
            __m256i lines[4] = {
                _mm256_permute2x128_si256(even_left, even_right, 0x20),
                _mm256_permute2x128_si256(odd_left, odd_right, 0x20),
                _mm256_permute2x128_si256(even_left, even_right, 0x31),
                _mm256_permute2x128_si256(odd_left, odd_right, 0x31),
            };
            UNROLLED
            for (int k = 0; k < 4; k++) {
                _mm256_storeu_si256((__m256i *)&strip[y + k][i * TILE_SIZE], lines[k]);
            }
        }
    }
}
#endif

/* Lay out the row of tiles that begins with the pair at an address. */
static void draw_strip(Canvas *canvas, const Ppu *ppu, const Cartridge *cartridge,
                       uint16_t address) {
    TileRow row;
    read_tiles(ppu, address, &row);
    StripTiles tiles = find_strip(&row, address & ADDRESS_COLUMN, background_tiles(ppu, cartridge));
#if IS_X86_64
    if (!canvas->picture.is_plain && has_avx2()) {
        lay_out_avx2(&tiles, canvas->strip);
        return;
    }
#endif
    lay_out_plain(&tiles, canvas->strip);
}

/* The palette entries of the background on a line that has been run up to column x0, [256]. */
static const uint8_t *background_line(Canvas *canvas, const Ppu *ppu, const Cartridge *cartridge,
                                      int x0) {
    int num_tiles = (ppu->fine_x + x0) / TILE_SIZE; /* that have been passed */
    /* Two tables side by side: so many to the left is the rest of a line to the right. */
    uint16_t start = move_right(ppu->address, TILES_PER_LINE - num_tiles) ^ ADDRESS_NAMETABLE_X;
    int is_odd = start & 1, strip_address = (start ^ is_odd) & (ADDRESS_X | ADDRESS_ROW);
    if (canvas->strip_address != strip_address) {
        canvas->strip_address = strip_address;
        draw_strip(canvas, ppu, cartridge, (uint16_t)strip_address);
    }
    return canvas->strip[ppu->address >> 12 & 7] + is_odd * TILE_SIZE + ppu->fine_x;
}

static bool hides_background(const Ppu *ppu, int x) {
    return x < EDGE_WIDTH && !(ppu->mask & MASK_LEFT_BACKGROUND);
}

/* The 8 pixels from column x on, of a line that has been run up to column x0; what lies before x0
 * is undefined. */
static uint64_t background_pixels(const Ppu *ppu, const Cartridge *cartridge, int x0, int x) {
    int num_tiles = (ppu->fine_x + x) / TILE_SIZE - (ppu->fine_x + x0) / TILE_SIZE;
    int shift = 8 * ((ppu->fine_x + x) % TILE_SIZE);
    uint64_t pixels = num_tiles < 0 ? 0 : background_row(ppu, cartridge, num_tiles) >> shift;
    if (shift > 0) {
        pixels |= background_row(ppu, cartridge, num_tiles + 1) << (64 - shift);
    }
    return pixels;
}

int find_sprite_zero_hit(const Ppu *ppu, const Cartridge *cartridge, int x0, int x1) {
    if (ppu->is_sprite_zero_hit || !shows(ppu, MASK_BOTH) || !has_sprite_zero(ppu)) {
        return -1;
    }
    int begin = x0, left = ppu->oam[3];
    if (x0 < EDGE_WIDTH && !shows(ppu, MASK_LEFT_BACKGROUND | MASK_LEFT_SPRITES)) {
        x0 = EDGE_WIDTH;
    }
    int first = x0 > left ? x0 - left : 0, end = smaller(x1 - left, TILE_SIZE);
    if (first >= end) {
        return -1;
    }
    uint64_t hits = opaque_pixels(sprite_row(ppu, cartridge, ppu->oam)) &
                    opaque_pixels(background_pixels(ppu, cartridge, begin, left));
    for (int i = first; i < end; i++) {
        if (hits >> (8 * i) & 1) {
            return left + i;
        }
    }
    return -1;
}

/* ---- Drawing ---- */

static void prepare_paint(Canvas *canvas, const Ppu *ppu) {
    memcpy(canvas->palette, ppu->palette, sizeof canvas->palette);
    for (int i = 0; i < 32; i++) {
        uint8_t color = ppu->palette[i & 3 ? i : 0] % NUM_COLORS;
        canvas->paint.colors[i] = color;
        canvas->paint.luma[i] = LUMA[color];
    }
}

static void prepare_sprites(Canvas *canvas, const Ppu *ppu) {
    memcpy(canvas->oam, ppu->oam, sizeof canvas->oam);
    canvas->oam_address = ppu->oam_address;
    canvas->sprite_height = sprite_height(ppu);
    memset(canvas->num_sprites, 0, sizeof canvas->num_sprites);
    for (int i = ppu->oam_address / 4; i < NUM_SPRITES; i++) {
        int y = ppu->oam[i * 4], end = smaller(y + canvas->sprite_height, SCREEN_HEIGHT);
        for (int line = y; line < end; line++) {
            uint8_t *num_sprites = &canvas->num_sprites[line];
            if (*num_sprites < MAX_LINE_SPRITES) {
                canvas->sprites[line][(*num_sprites)++] = (uint8_t)i;
            }
        }
    }
}

/* Most writes of the CPU's change nothing that is prepared. */
static void prepare(Canvas *canvas, const Ppu *ppu) {
    if (canvas->is_new || memcmp(canvas->palette, ppu->palette, sizeof canvas->palette) != 0) {
        prepare_paint(canvas, ppu);
    }
    if (canvas->is_new || canvas->oam_address != ppu->oam_address ||
        canvas->sprite_height != sprite_height(ppu) ||
        memcmp(canvas->oam, ppu->oam, sizeof canvas->oam) != 0) {
        prepare_sprites(canvas, ppu);
    }
    canvas->strip_address = -1;
    canvas->is_prepared = true;
    canvas->is_new = false;
}

/* Put the sprites of the line over the background's entries, which have room for eight more. The
 * first sprite in OAM wins over the others, even where it is behind the background itself. */
static void draw_sprites(const Ppu *ppu, const Cartridge *cartridge, uint8_t *entries) {
    uint8_t sprites[SCREEN_WIDTH + TILE_SIZE]; /* entries, and whether they are behind */
    for (int i = 0; i < ppu->num_line_sprites; i++) {
        store_pixels(sprites + ppu->oam[ppu->line_sprites[i] * 4 + 3], 0);
    }
    for (int i = ppu->num_line_sprites - 1; i >= 0; i--) {
        const uint8_t *sprite = ppu->oam + ppu->line_sprites[i] * 4;
        uint64_t row = sprite_row(ppu, cartridge, sprite), opaque = opaque_pixels(row);
        row |= EACH((unsigned)SPRITE_ENTRY | (sprite[2] & SPRITE_PALETTE) << 2 |
                    (sprite[2] & SPRITE_BEHIND));
        uint64_t others = load_pixels(sprites + sprite[3]);
        store_pixels(sprites + sprite[3], (others & ~opaque) | (row & opaque));
    }
    if (!(ppu->mask & MASK_LEFT_SPRITES)) {
        memset(sprites, 0, EDGE_WIDTH);
    }
    for (int i = 0; i < ppu->num_line_sprites; i++) {
        int x = ppu->oam[ppu->line_sprites[i] * 4 + 3];
        uint64_t row = load_pixels(sprites + x), background = load_pixels(entries + x);
        uint64_t hidden = pixels_with(row, 5) & opaque_pixels(background);
        uint64_t drawn = opaque_pixels(row) & ~hidden;
        store_pixels(entries + x,
                     (background & ~drawn) | (row & ~EACH((uint64_t)SPRITE_BEHIND) & drawn));
    }
}

static void paint_plain(const uint8_t table[32], const uint8_t *entries, uint8_t *out) {
    for (int x = 0; x < SCREEN_WIDTH; x++) {
        out[x] = table[entries[x] % 32];
    }
}

#if IS_X86_64
/* The same for whole lines, 32 pixels at once. An entry's bit 4, which tells sprites from the
 * background, is moved to bit 7 to choose between two tables of 16. */
AVX2_FUNCTION static void paint_lines_avx2(const uint8_t table[32], const uint8_t *entries,
                                           uint8_t *out, int num_lines) {
    const __m128i *tables = (const __m128i *)table;
    __m256i background = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables));
    __m256i sprites = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables + 1));
    for (int i = 0; i < num_lines; i++, entries += STRIP_WIDTH, out += SCREEN_WIDTH) {
        UNROLLED
        for (int x = 0; x < SCREEN_WIDTH; x += 32) {
            __m256i entry = _mm256_loadu_si256((const __m256i *)(entries + x));
            __m256i is_sprite = _mm256_slli_epi16(entry, 3);
            __m256i painted = _mm256_blendv_epi8(_mm256_shuffle_epi8(background, entry),
                                                 _mm256_shuffle_epi8(sprites, entry), is_sprite);
            _mm256_storeu_si256((__m256i *)(out + x), painted);
        }
    }
}
#endif

/* Paint lines whose entries are those of a strip; or one, of any. */
static void paint_lines(const uint8_t table[32], bool is_plain, const uint8_t *entries,
                        uint8_t *out, int num_lines) {
#if IS_X86_64
    if (!is_plain && has_avx2()) {
        paint_lines_avx2(table, entries, out, num_lines);
        return;
    }
#else
    (void)is_plain; /* all are plain */
#endif
    for (int i = 0; i < num_lines; i++, entries += STRIP_WIDTH, out += SCREEN_WIDTH) {
        paint_plain(table, entries, out);
    }
}

/* Take over what `evaluate_sprites` would find. */
static void take_line_sprites(Ppu *ppu, const Canvas *canvas) {
    if (ppu->is_evaluation_due) {
        ppu->num_line_sprites = canvas->num_sprites[ppu->evaluation_line];
        memcpy(ppu->line_sprites, canvas->sprites[ppu->evaluation_line], MAX_LINE_SPRITES);
        ppu->is_evaluation_due = false;
    }
}

/* Whether a line is the background as it is laid out. */
static bool is_plain_background(const Ppu *ppu) {
    bool has_sprites = shows(ppu, MASK_SPRITES) && ppu->num_line_sprites > 0;
    return shows(ppu, MASK_BACKGROUND) && !hides_background(ppu, 0) && !has_sprites;
}

/* Compose the entries of a line, [256] and room for eight more, that is right from column x0 on. */
static void compose(Canvas *canvas, const Ppu *ppu, const Cartridge *cartridge, int x0,
                    uint8_t *entries) {
    if (shows(ppu, MASK_BACKGROUND)) {
        memcpy(entries, background_line(canvas, ppu, cartridge, x0), SCREEN_WIDTH);
        if (hides_background(ppu, x0)) {
            memset(entries, 0, EDGE_WIDTH);
        }
    } else {
        memset(entries, 0, SCREEN_WIDTH);
    }
    if (shows(ppu, MASK_SPRITES) && ppu->num_line_sprites > 0) {
        draw_sprites(ppu, cartridge, entries);
    }
}

static void begin_line(Ppu *ppu, Canvas *canvas) {
    if (!canvas->is_prepared) {
        prepare(canvas, ppu);
    }
    if (shows(ppu, MASK_SPRITES)) {
        take_line_sprites(ppu, canvas);
    }
}

/* Paint lines in all planes that are wanted. */
static void paint(const Canvas *canvas, const uint8_t *entries, Picture to, int num_lines) {
    if (to.colors != NULL) {
        paint_lines(canvas->paint.colors, to.is_plain, entries, to.colors, num_lines);
    }
    if (to.luma != NULL) {
        paint_lines(canvas->paint.luma, to.is_plain, entries, to.luma, num_lines);
    }
}

static void copy_pixels(uint8_t *to, const uint8_t *from, int x0, int x1) {
    if (to != NULL) {
        memcpy(to + x0, from + x0, (size_t)(x1 - x0));
    }
}

/* The picture from a line on. */
static Picture from_line(Picture picture, int line) {
    if (picture.colors != NULL) {
        picture.colors += line * SCREEN_WIDTH;
    }
    if (picture.luma != NULL) {
        picture.luma += line * SCREEN_WIDTH;
    }
    return picture;
}

void draw_pixels(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int x0, int x1) {
    begin_line(ppu, canvas);
    uint8_t entries[SCREEN_WIDTH + TILE_SIZE];
    compose(canvas, ppu, cartridge, x0, entries);
    uint8_t colors[SCREEN_WIDTH], luma[SCREEN_WIDTH];
    Picture to = from_line(canvas->picture, ppu->line), line = to;
    line.colors = to.colors != NULL ? colors : NULL;
    line.luma = to.luma != NULL ? luma : NULL;
    paint(canvas, entries, line, 1);
    copy_pixels(to.colors, line.colors, x0, x1);
    copy_pixels(to.luma, line.luma, x0, x1);
}

/* How many of the next lines are of the same strip, and without sprites. */
static int num_alike(const Ppu *ppu, const Canvas *canvas, int max_lines) {
    if (!shows(ppu, MASK_BOTH) || ((ppu->address ^ ppu->next_address) & ADDRESS_X)) {
        return 1; /* the next one begins with another tile */
    }
    int fine_y = ppu->address >> 12 & 7, end = smaller(max_lines, TILE_SIZE - fine_y),
        num_lines = 1;
    while (num_lines < end && canvas->num_sprites[ppu->line + num_lines - 1] == 0) {
        num_lines++;
    }
    return num_lines;
}

int draw_lines(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int max_lines) {
    begin_line(ppu, canvas);
    uint8_t space[SCREEN_WIDTH + TILE_SIZE];
    const uint8_t *entries = space;
    int num_lines = 1;
    if (is_plain_background(ppu)) {
        entries = background_line(canvas, ppu, cartridge, 0);
        num_lines = num_alike(ppu, canvas, max_lines);
    } else {
        compose(canvas, ppu, cartridge, 0, space);
    }
    paint(canvas, entries, from_line(canvas->picture, ppu->line), num_lines);
    return num_lines;
}
