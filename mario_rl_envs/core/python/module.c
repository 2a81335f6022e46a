/* The Python module `_core`: cartridges, resizers, games, snapshots and vectors as Python objects.
 *
 * Whatever comes from Python is checked in this folder, so that the folders below need not do it.
 * `_core.pyi` says what each function takes and returns.
 */
#include "python/binding.h" /* Python's header comes before all others */

#include "batch/vector.h"
#include "machine/decode.h"

/* Arguments. */

bool check_count(const char *method, Py_ssize_t count, Py_ssize_t low, Py_ssize_t high) {
    if (count >= low && count <= high) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments; got %zd", method, low, high,
                 count);
    return false;
}

bool get_integer(PyObject *object, long low, long high, const char *what, long *value) {
    int overflow;
    *value = PyLong_AsLongAndOverflow(object, &overflow);
    if (*value == -1 && PyErr_Occurred()) {
        return false;
    }
    if (overflow || *value < low || *value > high) {
        PyErr_Format(PyExc_ValueError, "%s is %R; accepted is an integer, %ld to %ld", what, object,
                     low, high);
        return false;
    }
    return true;
}

bool get_bool(PyObject *object, bool *value) {
    int is_true = PyObject_IsTrue(object);
    *value = is_true > 0;
    return is_true >= 0;
}

bool get_bytes(PyObject *object, Py_ssize_t size, bool is_writable, const char *what,
               Py_buffer *buffer) {
    int flags = PyBUF_C_CONTIGUOUS | (is_writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, buffer, flags) != 0) {
        return false;
    }
    if (buffer->itemsize == 1 && buffer->len == size) {
        return true;
    }
    PyErr_Format(PyExc_ValueError,
                 "%s has %zd bytes, %zd an item; accepted are %zd bytes, one an item", what,
                 buffer->len, buffer->itemsize, size);
    PyBuffer_Release(buffer);
    return false;
}

/* Objects. */

ModuleState *state_of(PyObject *object) {
    return PyType_GetModuleState(Py_TYPE(object));
}

void *allocate(PyTypeObject *type) {
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return alloc(type, 0);
}

void deallocate(void *object) {
    PyTypeObject *type = Py_TYPE((PyObject *)object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(object);
    Py_DECREF((PyObject *)type);
}

static bool load_library(Cartridge *cartridge, PyObject *path) {
    const char *error = compiled_load(PyBytes_AsString(path), cartridge, &cartridge->compiled);
    if (error != NULL) {
        PyErr_Format(PyExc_OSError, "cannot load compiled code: %s", error);
    }
    return error == NULL;
}

static PyObject *cartridge_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"rom", "library", NULL};
    Py_buffer rom;
    PyObject *library = NULL; /* bytes: the path as the file system encodes it */
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y*|O&:Cartridge", names, &rom,
                                     PyUnicode_FSConverter, &library)) {
        return NULL;
    }
    CartridgeObject *self = allocate(type);
    if (self != NULL) {
        const char *error = cartridge_init(&self->cartridge, rom.buf, (size_t)rom.len);
        if (error != NULL) {
            PyErr_SetString(PyExc_ValueError, error);
            Py_CLEAR(self);
        } else if (library != NULL && !load_library(&self->cartridge, library)) {
            Py_CLEAR(self);
        }
    }
    PyBuffer_Release(&rom);
    Py_XDECREF(library);
    return (PyObject *)self;
}

static PyObject *cartridge_instruction(PyObject *object, PyObject *arg) {
    const Cartridge *cartridge = &((CartridgeObject *)object)->cartridge;
    long address;
    if (!get_integer(arg, PRG_START, PRG_START + PRG_SIZE - 1, "an address of PRG ROM", &address)) {
        return NULL;
    }
    int offset = (int)address - PRG_START;
    Instruction instruction = cartridge->instructions[offset];
    Opcode opcode = cartridge->opcodes[cartridge->prg[offset]];
    return Py_BuildValue("ssiii", operation_name(instruction.operation), mode_name(opcode.mode),
                         opcode.size, instruction.cycles, instruction.operand);
}

static void cartridge_dealloc(PyObject *self) {
    deallocate(self);
}

static PyMethodDef cartridge_methods[] = {
    {"instruction", cartridge_instruction, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cartridge_slots[] = {
    {Py_tp_doc, "Cartridge(rom, library=<none>)\n--\n\nA ROM, decoded."},
    {Py_tp_new, cartridge_new},
    {Py_tp_methods, cartridge_methods},
    {Py_tp_dealloc, cartridge_dealloc},
    {0, NULL},
};

static PyType_Spec cartridge_spec = {
    .name = "mario_rl_envs.core._core.Cartridge",
    .basicsize = sizeof(CartridgeObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = cartridge_slots,
};

enum {
    PICTURE_SIZE = SCREEN_HEIGHT * SCREEN_WIDTH, /* bytes of a picture of grays or color numbers */
    TILES_SIZE = TILES_HEIGHT * TILES_WIDTH,
};

static PyObject *resizer_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"size", "plain", NULL};
    PyObject *number;
    long size;
    int is_plain = false;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|p:Resizer", names, &number, &is_plain) ||
        !get_integer(number, 1, MAX_RESIZER_SIZE, "a picture's size", &size)) {
        return NULL;
    }
    ResizerObject *self = allocate(type);
    if (self == NULL) {
        return NULL;
    }
    self->size = size;
    self->resizer = is_plain ? resizer_create_plain((int)size) : resizer_create((int)size);
    if (self->resizer == NULL) {
        Py_DECREF((PyObject *)self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

/* Read two arguments: bytes to be read, and an array to be written. Returns false after an
 * exception. */
static bool get_from_and_to(PyObject *args, const char *name, Py_ssize_t from_size,
                            Py_ssize_t to_size, Py_buffer *from, Py_buffer *to) {
    PyObject *from_object, *to_object;
    if (!PyArg_UnpackTuple(args, name, 2, 2, &from_object, &to_object) ||
        !get_bytes(from_object, from_size, false, "the first argument", from)) {
        return false;
    }
    if (!get_bytes(to_object, to_size, true, "the array to be written", to)) {
        PyBuffer_Release(from);
        return false;
    }
    return true;
}

static PyObject *release_both(Py_buffer *from, Py_buffer *to) {
    PyBuffer_Release(from);
    PyBuffer_Release(to);
    return Py_NewRef(Py_None);
}

static PyObject *resizer_resize_gray(PyObject *object, PyObject *args) {
    const ResizerObject *self = (ResizerObject *)object;
    Py_buffer from, to;
    if (!get_from_and_to(args, "gray", PICTURE_SIZE, self->size * self->size, &from, &to)) {
        return NULL;
    }
    resizer_gray(self->resizer, from.buf, to.buf);
    return release_both(&from, &to);
}

static PyObject *resizer_resize_rgb(PyObject *object, PyObject *args) {
    const ResizerObject *self = (ResizerObject *)object;
    Py_buffer from, to;
    if (!get_from_and_to(args, "rgb", PICTURE_SIZE, self->size * self->size * 3, &from, &to)) {
        return NULL;
    }
    resizer_rgb(self->resizer, from.buf, to.buf);
    return release_both(&from, &to);
}

static PyMethodDef resizer_methods[] = {
    {"gray", resizer_resize_gray, METH_VARARGS, NULL},
    {"rgb", resizer_resize_rgb, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static void resizer_dealloc(PyObject *object) {
    resizer_destroy(((ResizerObject *)object)->resizer);
    deallocate(object);
}

static PyType_Slot resizer_slots[] = {
    {Py_tp_doc, "Resizer(size, plain=False)\n--\n\nMakes pictures of size x size pixels."},
    {Py_tp_new, resizer_new},
    {Py_tp_methods, resizer_methods},
    {Py_tp_dealloc, resizer_dealloc},
    {0, NULL},
};

static PyType_Spec resizer_spec = {
    .name = "mario_rl_envs.core._core.Resizer",
    .basicsize = sizeof(ResizerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = resizer_slots,
};

/* The module. */

static PyObject *module_rgb(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer from, to;
    if (!get_from_and_to(args, "rgb", PICTURE_SIZE, PICTURE_SIZE * 3, &from, &to)) {
        return NULL;
    }
    expand_rgb(from.buf, to.buf);
    return release_both(&from, &to);
}

static PyObject *module_rgb_plain(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer from, to;
    if (!get_from_and_to(args, "rgb_plain", PICTURE_SIZE, PICTURE_SIZE * 3, &from, &to)) {
        return NULL;
    }
    expand_rgb_plain(from.buf, to.buf);
    return release_both(&from, &to);
}

static PyObject *module_tiles(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer from, to;
    if (!get_from_and_to(args, "tiles", RAM_SIZE, TILES_SIZE, &from, &to)) {
        return NULL;
    }
    decode_tiles(from.buf, to.buf);
    return release_both(&from, &to);
}

/* Entries of a table by their indices, of which a negative one is out of range, too. */
static PyObject *module_look_up(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer table, indices, out;
    if (!PyArg_ParseTuple(args, "y*y*w*:look_up", &table, &indices, &out)) {
        return NULL;
    }
    Py_ssize_t count = out.len, bad = -1;
    bool is_good =
        indices.itemsize == sizeof(int64_t) && indices.len == count * (Py_ssize_t)sizeof(int64_t);
    for (Py_ssize_t i = 0; is_good && bad < 0 && i < count; i++) {
        uint64_t index = ((const uint64_t *)indices.buf)[i];
        if (index < (uint64_t)table.len) {
            ((uint8_t *)out.buf)[i] = ((const uint8_t *)table.buf)[index];
        } else {
            bad = i;
        }
    }
    PyBuffer_Release(&table);
    PyBuffer_Release(&indices);
    PyBuffer_Release(&out);
    if (!is_good) {
        PyErr_SetString(PyExc_ValueError, "look_up needs indices of 64 bits, as many as bytes");
        return NULL;
    }
    return PyLong_FromSsize_t(bad);
}

static PyMethodDef module_methods[] = {
    {"look_up", module_look_up, METH_VARARGS, NULL},
    {"rgb", module_rgb, METH_VARARGS, NULL},
    {"rgb_plain", module_rgb_plain, METH_VARARGS, NULL},
    {"tiles", module_tiles, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static bool add_bytes(PyObject *module, const char *name, const uint8_t *bytes, size_t size) {
    PyObject *object = PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)size);
    int result = PyModule_AddObjectRef(module, name, object); /* NULL: an exception stands */
    Py_XDECREF(object);
    return result == 0;
}

static bool add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type) {
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type != NULL && PyModule_AddType(module, *type) == 0;
}

static bool add_orders(PyObject *module) {
    return PyModule_AddIntConstant(module, "NOTHING", ORDER_NOTHING) == 0 &&
           PyModule_AddIntConstant(module, "STEP", ORDER_STEP) == 0 &&
           PyModule_AddIntConstant(module, "BEGIN", ORDER_BEGIN) == 0 &&
           PyModule_AddIntConstant(module, "BEGIN_ON_STACK", ORDER_BEGIN_ON_STACK) == 0;
}

static int module_exec(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    bool is_ready = add_type(module, &cartridge_spec, &state->cartridge_type) &&
                    add_type(module, &resizer_spec, &state->resizer_type) &&
                    add_type(module, &GAME_SPEC, &state->game_type) &&
                    add_type(module, &SNAPSHOT_SPEC, &state->snapshot_type) &&
                    add_type(module, &VECTOR_SPEC, &state->vector_type) && intern_names(state) &&
                    add_info_names(module) && add_orders(module) &&
                    PyModule_AddIntConstant(module, "MAX_SIZE", MAX_RESIZER_SIZE) == 0 &&
                    PyModule_AddIntConstant(module, "COMPILED_ABI", COMPILED_ABI) == 0 &&
                    add_bytes(module, "LUMA", LUMA, sizeof(LUMA));
    return is_ready ? 0 : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    ModuleState *state = PyModule_GetState(module);
    Py_VISIT(state->cartridge_type);
    Py_VISIT(state->resizer_type);
    Py_VISIT(state->game_type);
    Py_VISIT(state->snapshot_type);
    Py_VISIT(state->vector_type);
    return 0;
}

static void clear_strings(PyObject **strings, int count) {
    for (int i = 0; i < count; i++) {
        Py_CLEAR(strings[i]);
    }
}

static int module_clear(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    Py_CLEAR(state->cartridge_type);
    Py_CLEAR(state->resizer_type);
    Py_CLEAR(state->game_type);
    Py_CLEAR(state->snapshot_type);
    Py_CLEAR(state->vector_type);
    return 0;
}

static void module_free(void *module) {
    ModuleState *state = PyModule_GetState(module);
    module_clear(module);
    clear_strings(state->info_keys, NUM_INFO_KEYS);
    Py_CLEAR(state->reward_terms_key);
    clear_strings(state->term_names, MAX_REWARD_TERMS);
    clear_strings(state->power_names, NUM_POWERS);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_core",
    .m_doc = "The native core: the console, the game's rules and observations in C.",
    .m_size = sizeof(ModuleState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&module_definition);
}
