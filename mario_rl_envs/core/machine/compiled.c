/* Compiled code: loaded from a shared library, and run in turns with the interpreter.
 *
 * Compiled code runs whole blocks of instructions. The interpreter runs what is left before the
 * limit, and what is not compiled: code in RAM, or reached by a way that was not foreseen.
 */
#include "machine/compiled.h"

#include "machine/bus.h"

#define STRINGIZED(name) #name
#define STRING(name) STRINGIZED(name)

#ifdef _WIN32

const char *compiled_load(const char *path, const Cartridge *cartridge, const CompiledCode **code) {
    (void)path, (void)cartridge, (void)code;
    return "compiled code cannot be loaded on Windows";
}

#else
#include <dlfcn.h>

const char *compiled_load(const char *path, const Cartridge *cartridge, const CompiledCode **code) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *error = dlerror();
        return error != NULL ? error : "the library cannot be loaded";
    }
    const CompiledCode *found = dlsym(library, STRING(COMPILED_CODE));
    const char *error = NULL;
    if (found == NULL || found->abi != COMPILED_ABI) {
        error = "the library is not compiled code for this version of the core";
    } else if (found->prg_hash != hash_prg(cartridge->prg, PRG_SIZE)) {
        error = "the library was compiled from another ROM";
    }
    if (error != NULL) {
        dlclose(library);
        return error;
    }
    *code = found;
    return NULL;
}

#endif

void cpu_run(Cpu *cpu, Bus *bus, int64_t limit) {
    const CompiledCode *code = bus->cartridge->compiled;
    if (code == NULL) {
        cpu_interpret(cpu, bus, limit);
        return;
    }
    Pins pins = {bus->machine->ram, bus->cartridge->prg, bus,
                 bus_read,          bus_write,           bus_await_sprite_zero};
    while (cpu->cycle < limit) {
        bool is_limit_near = code->run(cpu, &pins, limit);
        bool is_one_left =
            !is_limit_near && cpu->cycle < limit; /* instruction, to be interpreted */
        cpu_interpret(cpu, bus, is_one_left ? cpu->cycle + 1 : limit);
    }
}
