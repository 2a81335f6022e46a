/* The bus: what the CPU reaches under which address, and how far the PPU has followed it.
 *
 * CPU and PPU run at the same time, three dots of the PPU for one cycle of the CPU. Here the CPU runs
 * ahead, and the PPU follows when the CPU touches one of its registers, when it would interrupt, and
 * at the frame's end. Nobody can tell the difference, because nothing else connects the two.
 */
#include "machine/bus.h"

#include "machine/decode.h"

enum {
    PPU_END = 0x4000, /* 8 registers, seen 1,024 times */
    OAM_DMA = 0x4014, /* writing a page's number copies that page to the PPU's sprites */
    JOYPAD = 0x4016,
    JOYPAD2 = 0x4017,
    OAM_DMA_CYCLES = 513, /* for which copying stops the CPU, and one more from an odd cycle on */
    DOTS_PER_CYCLE = 3,
};

/* Let the PPU follow to where an instruction that begins at this cycle finds it: nes-py runs the
 * three dots of a cycle first. */
static void follow(Bus *bus, int64_t cycle) {
    int target = (int)(cycle - bus->first_cycle + 1) * DOTS_PER_CYCLE;
    ppu_run(&bus->machine->ppu, bus->cartridge, bus->canvas, target - bus->num_dots);
    bus->num_dots = target;
}

/* What was worked out for drawing may hold no longer. */
static void spoil(Canvas *canvas) {
    if (canvas != NULL) {
        canvas->is_prepared = false;
    }
}

static uint8_t read_joypad(uint8_t *bits, uint8_t buttons, bool is_strobing) {
    uint8_t bit = (is_strobing ? buttons : *bits) & 1;
    if (!is_strobing) {
        *bits >>= 1;
    }
    return 0x40 | bit; /* the rest of the byte is what was on the wires before: nes-py says 0x40 */
}

uint8_t bus_read(Bus *bus, uint16_t address, int64_t cycle) {
    Machine *machine = bus->machine;
    if (address < RAM_END) {
        return machine->ram[address % RAM_SIZE];
    }
    if (address >= PRG_START) {
        return bus->cartridge->prg[address - PRG_START];
    }
    if (address < PPU_END) {
        follow(bus, cycle);
        return ppu_read(&machine->ppu, bus->cartridge, address & 7);
    }
    if (address == JOYPAD) {
        return read_joypad(&machine->joypad_bits, machine->buttons, machine->is_strobing);
    }
    if (address == JOYPAD2) {
        return read_joypad(&machine->joypad2_bits, 0, machine->is_strobing);
    }
    return 0; /* sound, and nothing at all */
}

int bus_write(Bus *bus, uint16_t address, uint8_t value, int64_t cycle) {
    Machine *machine = bus->machine;
    if (address < RAM_END) {
        machine->ram[address % RAM_SIZE] = value;
    } else if (address < PPU_END) {
        follow(bus, cycle);
        ppu_write(&machine->ppu, address & 7, value);
        spoil(bus->canvas);
    } else if (address == OAM_DMA) {
        follow(bus, cycle);
        spoil(bus->canvas);
        if (value < RAM_END >> 8) {
            ppu_oam_dma(&machine->ppu, machine->ram + (value << 8) % RAM_SIZE);
        }
        return OAM_DMA_CYCLES + (int)((cycle + 1) & 1);
    } else if (address == JOYPAD) {
        machine->is_strobing = value & 1;
        if (!machine->is_strobing) {
            machine->joypad_bits = machine->buttons;
            machine->joypad2_bits = 0;
        }
    }
    return 0;
}

int64_t bus_await_sprite_zero(Bus *bus, bool set, int64_t cycle, int64_t limit) {
    follow(bus, cycle);
    int max_dots = (int)(limit - cycle) * DOTS_PER_CYCLE;
    int dots = ppu_dots_to_sprite_zero(&bus->machine->ppu, bus->cartridge, set, max_dots);
    return cycle + (dots + DOTS_PER_CYCLE - 1) / DOTS_PER_CYCLE;
}
