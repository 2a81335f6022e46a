/* The cartridge: the ROM, decoded once and shared by all consoles.
 *
 * A file in iNES format (https://www.nesdev.org/wiki/INES) is a header of 16 bytes, PRG ROM and CHR
 * ROM. The only board that is emulated is the simplest, NROM (https://www.nesdev.org/wiki/NROM): no
 * bank is ever switched, so instructions and tiles are decoded here, once.
 */
#include "machine/cartridge.h"

#include <stdbool.h>
#include <string.h>

#include "machine/decode.h"

enum {
    HEADER_SIZE = 16,
    PRG_BANKS = 2,  /* of 16 KiB */
    CHR_BANKS = 1,  /* of 8 KiB */
    TILE_SIZE = 16, /* bytes: 8 rows of low bits, then 8 rows of high bits */
    TILE_HEIGHT = 8,
};

uint64_t tile_row(uint8_t low, uint8_t high) {
    uint64_t row = 0;
    for (int x = 0; x < 8; x++) {
        uint64_t pixel = ((low >> (7 - x)) & 1) | ((high >> (7 - x)) & 1) << 1;
        row |= pixel << (8 * x);
    }
    return row;
}

const char *cartridge_init(Cartridge *cartridge, const uint8_t *file, size_t size) {
    if (size < HEADER_SIZE || memcmp(file, "NES\x1a", 4) != 0) {
        return "this is no iNES file";
    }
    int mapper = file[6] >> 4 | (file[7] & 0xF0);
    bool is_vertical = file[6] & 1;   /* mirroring: the nametables lie side by side */
    bool has_extras = file[6] & 0x0E; /* battery, trainer, four-screen */
    if (mapper != 0 || !is_vertical || has_extras || file[4] != PRG_BANKS || file[5] != CHR_BANKS) {
        return "only NROM cartridges like that of Super Mario Bros are emulated";
    }
    if (size < HEADER_SIZE + PRG_SIZE + CHR_SIZE) {
        return "the iNES file is truncated";
    }
    memcpy(cartridge->prg, file + HEADER_SIZE, PRG_SIZE);
    memcpy(cartridge->chr, file + HEADER_SIZE + PRG_SIZE, CHR_SIZE);
    for (int row = 0; row < NUM_TILE_ROWS; row++) {
        const uint8_t *tile = cartridge->chr + row / TILE_HEIGHT * TILE_SIZE;
        int y = row % TILE_HEIGHT;
        cartridge->tile_rows[row] = tile_row(tile[y], tile[y + TILE_HEIGHT]);
    }
    prg_decode(cartridge);
    cartridge->compiled = NULL;
    return NULL;
}
