/* The CPU bus: the CPU's memory map, and the PPU's catching up with the CPU.
 *
 * CPU and PPU run at the same time, three dots of the PPU for one cycle of the CPU. Here the CPU
 * runs ahead, and the PPU catches up when the CPU accesses one of its registers, when an NMI is
 * due, and at the end of the frame. The results are the same, because nothing else connects the
 * two.
 *
 * The memory map: https://www.nesdev.org/wiki/CPU_memory_map
 */
#include "machine/bus.h"

#include "machine/decode.h"

enum {
    PPU_END = 0x4000, /* 8 registers, mirrored 1,024 times */
    OAM_DMA = 0x4014, /* writing a page's number copies that page to OAM */
    JOYPAD = 0x4016,
    JOYPAD2 = 0x4017,
    OAM_DMA_CYCLES = 513, /* for which the copy stops the CPU; one more from an odd cycle on */
    DOTS_PER_CYCLE = 3,
};

/* Run the PPU up to where an instruction that begins at this cycle finds it: nes-py runs the three
 * dots of a cycle first. */
static void catch_up(Bus *bus, int64_t cycle) {
    int target = (int)(cycle - bus->first_cycle + 1) * DOTS_PER_CYCLE;
    ppu_run(&bus->machine->ppu, bus->cartridge, bus->canvas, target - bus->num_dots);
    bus->num_dots = target;
}

/* What drawing has prepared from the PPU's memory may be out of date. */
static void invalidate(Canvas *canvas) {
    if (canvas != NULL) {
        canvas->is_prepared = false;
    }
}

static uint8_t read_joypad(uint8_t *bits, uint8_t buttons, bool is_strobing) {
    uint8_t bit = (is_strobing ? buttons : *bits) & 1;
    if (!is_strobing) {
        *bits >>= 1;
    }
    return 0x40 | bit; /* the other bits are open bus: in nes-py 0x40 */
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
        catch_up(bus, cycle);
        return ppu_read(&machine->ppu, bus->cartridge, address & 7);
    }
    if (address == JOYPAD) {
        return read_joypad(&machine->joypad_bits, machine->buttons, machine->is_strobing);
    }
    if (address == JOYPAD2) {
        return read_joypad(&machine->joypad2_bits, 0, machine->is_strobing);
    }
    return 0; /* the APU, which is not emulated, and open bus: in nes-py 0 */
}

int bus_write(Bus *bus, uint16_t address, uint8_t value, int64_t cycle) {
    Machine *machine = bus->machine;
    if (address < RAM_END) {
        machine->ram[address % RAM_SIZE] = value;
    } else if (address < PPU_END) {
        catch_up(bus, cycle);
        ppu_write(&machine->ppu, address & 7, value);
        invalidate(bus->canvas);
    } else if (address == OAM_DMA) {
        catch_up(bus, cycle);
        invalidate(bus->canvas);
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
    catch_up(bus, cycle);
    int max_dots = (int)(limit - cycle) * DOTS_PER_CYCLE;
    int dots = ppu_dots_to_sprite_zero(&bus->machine->ppu, bus->cartridge, set, max_dots);
    return cycle + (dots + DOTS_PER_CYCLE - 1) / DOTS_PER_CYCLE;
}
