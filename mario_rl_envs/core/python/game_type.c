/* The Python type `Game`. */
#include "python/binding.h" /* Python's header comes before all others */

#include <stdlib.h>
#include <string.h>

enum {
    RGB_SIZE = SCREEN_HEIGHT * SCREEN_WIDTH * 3,
    GRAY_SIZE = SCREEN_HEIGHT * SCREEN_WIDTH,
    TILES_SIZE = TILES_HEIGHT * TILES_WIDTH,
    MAX_BYTE = 0xFF,
};

/* What a thread that is not here left half done, its allocations too, is not looked at again. */
static void abandon(GameObject *self) {
    self->game.memory = (RewardMemory){0};
    self->game.recording = NULL;
    self->recording = (Recording){0};
    self->runner = NO_PROCESS;
    console_draw_on(&self->game.console, self->picture);
}

bool game_is_free(GameObject *self) {
    if (self->runner != NO_PROCESS && self->runner != current_process()) {
        abandon(self);
    }
    return self->runner == NO_PROCESS;
}

/* A game may run without the interpreter's lock; then other threads get an error. */
static bool check_free(GameObject *self) {
    bool is_free = game_is_free(self);
    if (!is_free) {
        PyErr_SetString(PyExc_RuntimeError,
                        "another thread is running this game: one thread at a time");
    }
    return is_free;
}

/* A reward compares with the frame before. */
static bool check_begun(const GameObject *self) {
    bool has_begun = self->game.memory.num_frontiers > 0;
    if (!has_begun) {
        PyErr_SetString(PyExc_RuntimeError, "no episode has begun: call begin() or load() first");
    }
    return has_begun;
}

/* Pass an error of the game on; its text is from game.c. */
static bool check_outcome(const char *error) {
    if (error != NULL) {
        PyErr_SetString(PyExc_RuntimeError, error);
    }
    return error == NULL;
}

/* Have the console draw colors, or grays, too. Returns false after an exception. */
static bool want_plane(GameObject *self, bool is_gray) {
    uint8_t **plane = is_gray ? &self->picture.luma : &self->picture.colors;
    if (*plane == NULL) {
        *plane = malloc(NUM_PIXELS);
        if (*plane == NULL) {
            PyErr_NoMemory();
            return false;
        }
    }
    const Picture *drawn = &self->game.console.picture; /* not this one after a vector has played */
    if ((is_gray ? drawn->luma : drawn->colors) != *plane) {
        console_draw_on(&self->game.console, self->picture);
    }
    return true;
}

/* What is recorded are colors. */
static bool prepare_recording(GameObject *self) {
    return self->game.recording == NULL || want_plane(self, false);
}

static PyObject *py_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"cartridge", NULL};
    PyObject *cartridge;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Game", names, &cartridge)) {
        return NULL;
    }
    ModuleState *state = PyType_GetModuleState(type);
    if (state == NULL) {
        return NULL;
    }
    if (!Py_IS_TYPE(cartridge, state->cartridge_type)) {
        PyErr_Format(PyExc_TypeError, "a game needs a Cartridge; got %R", cartridge);
        return NULL;
    }
    GameObject *self = allocate(type);
    if (self == NULL) {
        return NULL;
    }
    self->cartridge = (CartridgeObject *)Py_NewRef(cartridge);
    game_init(&self->game, &self->cartridge->cartridge);
    return (PyObject *)self;
}

static void py_dealloc(PyObject *object) {
    GameObject *self = (GameObject *)object;
    (void)game_is_free(self); /* what a thread that is not here left is not freed */
    game_free(&self->game);
    recording_clear(&self->recording);
    free(self->picture.colors);
    free(self->picture.luma);
    Py_XDECREF((PyObject *)self->cartridge);
    deallocate(self);
}

/* The buffer of a game is its RAM, live and only to be read. */
static int py_get_buffer(PyObject *object, Py_buffer *buffer, int flags) {
    GameObject *self = (GameObject *)object;
    return PyBuffer_FillInfo(buffer, object, self->game.console.now.ram, RAM_SIZE, 1, flags);
}

static PyObject *py_get_ram(PyObject *object, void *Py_UNUSED(closure)) {
    return PyMemoryView_FromObject(object);
}

static PyObject *py_get_num_recorded(PyObject *object, void *Py_UNUSED(closure)) {
    GameObject *self = (GameObject *)object;
    return check_free(self) ? PyLong_FromSize_t(self->recording.num_frames) : NULL;
}

static PyObject *py_power_on(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    if (!check_free(self)) {
        return NULL;
    }
    console_power_on(&self->game.console);
    Py_RETURN_NONE;
}

static PyObject *py_advance(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    GameObject *self = (GameObject *)object;
    long buttons;
    bool draw = false;
    if (!check_count("advance", count, 1, 2) ||
        !get_integer(args[0], 0, MAX_BYTE, "a joypad byte", &buttons) ||
        (count > 1 && !get_bool(args[1], &draw)) || !check_free(self)) {
        return NULL;
    }
    self->runner = current_process();
    Py_BEGIN_ALLOW_THREADS console_advance(&self->game.console, (uint8_t)buttons, draw);
    Py_END_ALLOW_THREADS self->runner = NO_PROCESS;
    Py_RETURN_NONE;
}

static PyObject *py_poke(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    GameObject *self = (GameObject *)object;
    long address;
    long value;
    if (!check_count("poke", count, 2, 2) ||
        !get_integer(args[0], 0, RAM_SIZE - 1, "an address of RAM", &address) ||
        !get_integer(args[1], 0, MAX_BYTE, "a byte", &value) || !check_free(self)) {
        return NULL;
    }
    game_poke(&self->game, (uint16_t)address, (uint8_t)value);
    Py_RETURN_NONE;
}

static PyObject *py_set_rules(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    GameObject *self = (GameObject *)object;
    bool is_single_stage;
    if (!check_count("set_rules", count, 2, 2) || !get_bool(args[1], &is_single_stage) ||
        !check_free(self) || !get_rules(args[0], is_single_stage, &self->game.rules)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *py_begin(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    if (!check_free(self) || !check_outcome(game_begin(&self->game))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *step_tuple(const GameObject *self, const Step *step) {
    const ModuleState *state = state_of((PyObject *)self);
    PyObject *info = info_dict(state, &self->game.rules, &step->info, step->terms);
    if (info == NULL) {
        return NULL;
    }
    return Py_BuildValue("(dON)", step->reward, step->terminated ? Py_True : Py_False, info);
}

static PyObject *py_step(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    GameObject *self = (GameObject *)object;
    long buttons;
    bool draw;
    if (!check_count("step", count, 2, 2) ||
        !get_integer(args[0], 0, MAX_BYTE, "a joypad byte", &buttons) ||
        !get_bool(args[1], &draw) || !check_free(self) || !check_begun(self) ||
        !prepare_recording(self)) {
        return NULL;
    }
    Step step;
    const char *error;
    self->runner = current_process();
    Py_BEGIN_ALLOW_THREADS error = game_step(&self->game, (uint8_t)buttons, draw, &step);
    Py_END_ALLOW_THREADS self->runner = NO_PROCESS;
    return check_outcome(error) ? step_tuple(self, &step) : NULL;
}

static PyObject *py_steps(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    GameObject *self = (GameObject *)object;
    long buttons;
    long num_frames;
    bool draw;
    if (!check_count("steps", count, 3, 3) ||
        !get_integer(args[0], 0, MAX_BYTE, "a joypad byte", &buttons) ||
        !get_integer(args[1], 1, MAX_FRAMES_PER_CALL, "num_frames", &num_frames) ||
        !get_bool(args[2], &draw) || !check_free(self) || !check_begun(self) ||
        !prepare_recording(self)) {
        return NULL;
    }
    Step step;
    const char *error;
    self->runner = current_process();
    Py_BEGIN_ALLOW_THREADS error =
        game_steps(&self->game, (uint8_t)buttons, (int)num_frames, draw, &step);
    Py_END_ALLOW_THREADS self->runner = NO_PROCESS;
    return check_outcome(error) ? step_tuple(self, &step) : NULL;
}

static PyObject *py_explore(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    GameObject *self = (GameObject *)object;
    if (!check_count("explore", count, 4, 4) || !check_free(self) || !check_begun(self) ||
        !prepare_recording(self)) {
        return NULL;
    }
    return explore(self, args);
}

static PyObject *py_info(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    if (!check_free(self)) {
        return NULL;
    }
    Info info;
    info_read(self->game.console.now.ram, &info);
    return info_dict(state_of(object), &self->game.rules, &info, NULL);
}

/* Read the last argument of `rgb` and `gray`: a Resizer or None. */
static bool get_resizer(const GameObject *self, PyObject *object, const ResizerObject **resizer) {
    *resizer = NULL;
    if (object == Py_None) {
        return true;
    }
    const ModuleState *state = state_of((PyObject *)self);
    if (!Py_IS_TYPE(object, state->resizer_type)) {
        PyErr_Format(PyExc_TypeError, "a picture is made by a Resizer or None; got %R", object);
        return false;
    }
    *resizer = (const ResizerObject *)object;
    return true;
}

static void make_picture(const Picture *picture, bool is_gray, const ResizerObject *resizer,
                         uint8_t *out) {
    if (is_gray && resizer != NULL) {
        resizer_gray(resizer->resizer, picture->luma, out);
    } else if (is_gray) {
        memcpy(out, picture->luma, GRAY_SIZE);
    } else if (resizer != NULL) {
        resizer_rgb(resizer->resizer, picture->colors, out);
    } else {
        expand_rgb(picture->colors, out);
    }
}

static PyObject *write_picture(GameObject *self, PyObject *const *args, Py_ssize_t count,
                               bool is_gray) {
    const ResizerObject *resizer = NULL;
    Py_buffer out;
    if (!check_count(is_gray ? "gray" : "rgb", count, 1, 2) ||
        (count > 1 && !get_resizer(self, args[1], &resizer))) {
        return NULL;
    }
    Py_ssize_t num_pixels = resizer ? resizer->size * resizer->size : GRAY_SIZE;
    if (!get_bytes(args[0], is_gray ? num_pixels : 3 * num_pixels, true,
                   "the array for the picture", &out)) {
        return NULL;
    }
    bool is_made = check_free(self) && want_plane(self, is_gray);
    if (is_made) {
        make_picture(console_picture(&self->game.console), is_gray, resizer, out.buf);
    }
    PyBuffer_Release(&out);
    return is_made ? Py_NewRef(Py_None) : NULL;
}

static PyObject *py_rgb(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    return write_picture((GameObject *)object, args, count, false);
}

static PyObject *py_gray(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    return write_picture((GameObject *)object, args, count, true);
}

static PyObject *py_tiles(PyObject *object, PyObject *array) {
    GameObject *self = (GameObject *)object;
    Py_buffer out;
    if (!get_bytes(array, TILES_SIZE, true, "the array for the tiles", &out)) {
        return NULL;
    }
    bool is_free = check_free(self);
    if (is_free) {
        decode_tiles(self->game.console.now.ram, out.buf);
    }
    PyBuffer_Release(&out);
    return is_free ? Py_NewRef(Py_None) : NULL;
}

static PyObject *py_save(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    if (!check_free(self)) {
        return NULL;
    }
    PyObject *state = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)game_state_size());
    if (state != NULL) {
        game_save(&self->game, (uint8_t *)PyBytes_AsString(state));
    }
    return state;
}

/* Load the machine, and the reward's memory too unless that is NULL; all or nothing. */
static bool load(GameObject *self, PyObject *machine, RewardMemory *memory) {
    Py_buffer data;
    if (PyObject_GetBuffer(machine, &data, PyBUF_SIMPLE) != 0) {
        return false;
    }
    bool is_loaded = check_free(self);
    if (is_loaded) {
        const char *error = game_load(&self->game, data.buf, (size_t)data.len);
        if (error != NULL) {
            PyErr_Format(PyExc_ValueError,
                         "the save state of the native console is damaged: %s; give what "
                         "save_state() returned",
                         error);
            is_loaded = false;
        } else if (memory != NULL) {
            reward_free(&self->game.memory);
            self->game.memory = *memory;
            *memory = (RewardMemory){0};
        }
    }
    PyBuffer_Release(&data);
    return is_loaded;
}

static PyObject *py_load(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    GameObject *self = (GameObject *)object;
    RewardMemory memory = {0};
    bool has_memory = count == 2;
    if (!check_count("load", count, 1, 2) || (has_memory && !get_reward_state(args[1], &memory))) {
        return NULL;
    }
    bool is_loaded = load(self, args[0], has_memory ? &memory : NULL);
    reward_free(&memory);
    return is_loaded ? Py_NewRef(Py_None) : NULL;
}

static PyObject *py_snapshot(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    return check_free(self) && check_begun(self) ? take_snapshot(self) : NULL;
}

static bool has_same_rom(const Cartridge *one, const Cartridge *other) {
    return memcmp(one->prg, other->prg, PRG_SIZE) == 0 &&
           memcmp(one->chr, other->chr, CHR_SIZE) == 0;
}

static PyObject *py_restore(PyObject *object, PyObject *argument) {
    GameObject *self = (GameObject *)object;
    if (!Py_IS_TYPE(argument, state_of(object)->snapshot_type)) {
        PyErr_Format(PyExc_TypeError, "a game is restored from a Snapshot; got %R", argument);
        return NULL;
    }
    const SnapshotObject *snapshot = (const SnapshotObject *)argument;
    if (snapshot->cartridge != self->cartridge &&
        !has_same_rom(&snapshot->cartridge->cartridge, &self->cartridge->cartridge)) {
        PyErr_SetString(PyExc_ValueError, "the snapshot is of a game with another ROM");
        return NULL;
    }
    if (!check_free(self)) {
        return NULL;
    }
    if (!snapshot_restore(&snapshot->snapshot, &self->game)) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

static PyObject *py_reward_state(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    return check_free(self) && check_begun(self) ? reward_state(&self->game.memory) : NULL;
}

static PyObject *py_record_frames(PyObject *object, PyObject *is_on) {
    GameObject *self = (GameObject *)object;
    bool is_recorded;
    if (!get_bool(is_on, &is_recorded) || !check_free(self)) {
        return NULL;
    }
    recording_clear(&self->recording);
    self->game.recording = is_recorded ? &self->recording : NULL;
    Py_RETURN_NONE;
}

static PyObject *py_record_screen(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    if (!check_free(self)) {
        return NULL;
    }
    if (self->game.recording == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "nothing is recorded: call record_frames(True) first");
        return NULL;
    }
    if (!prepare_recording(self)) {
        return NULL;
    }
    if (!recording_add(&self->recording, console_picture(&self->game.console)->colors)) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

static PyObject *py_take_frames(PyObject *object, PyObject *Py_UNUSED(unused)) {
    GameObject *self = (GameObject *)object;
    if (!check_free(self)) {
        return NULL;
    }
    PyObject *frames = PyList_New(0);
    for (size_t i = 0; frames != NULL && i < self->recording.num_frames; i++) {
        PyObject *frame = PyByteArray_FromStringAndSize(NULL, RGB_SIZE);
        if (frame == NULL || PyList_Append(frames, frame) != 0) {
            Py_CLEAR(frames);
        } else {
            expand_rgb(self->recording.frames[i], (uint8_t *)PyByteArray_AsString(frame));
        }
        Py_XDECREF(frame);
    }
    if (frames != NULL) {
        recording_clear(&self->recording);
    }
    return frames;
}

/* Under METH_FASTCALL a method takes other arguments than PyCFunction says. */
#define METHOD(name, function, flags) {name, (PyCFunction)(void (*)(void))(function), flags, NULL}

static PyMethodDef game_methods[] = {
    METHOD("power_on", py_power_on, METH_NOARGS),
    METHOD("advance", py_advance, METH_FASTCALL),
    METHOD("poke", py_poke, METH_FASTCALL),
    METHOD("set_rules", py_set_rules, METH_FASTCALL),
    METHOD("begin", py_begin, METH_NOARGS),
    METHOD("step", py_step, METH_FASTCALL),
    METHOD("steps", py_steps, METH_FASTCALL),
    METHOD("explore", py_explore, METH_FASTCALL),
    METHOD("info", py_info, METH_NOARGS),
    METHOD("rgb", py_rgb, METH_FASTCALL),
    METHOD("gray", py_gray, METH_FASTCALL),
    METHOD("tiles", py_tiles, METH_O),
    METHOD("save", py_save, METH_NOARGS),
    METHOD("load", py_load, METH_FASTCALL),
    METHOD("snapshot", py_snapshot, METH_NOARGS),
    METHOD("restore", py_restore, METH_O),
    METHOD("reward_state", py_reward_state, METH_NOARGS),
    METHOD("record_frames", py_record_frames, METH_O),
    METHOD("record_screen", py_record_screen, METH_NOARGS),
    METHOD("take_frames", py_take_frames, METH_NOARGS),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef game_properties[] = {
    {"ram", py_get_ram, NULL, NULL, NULL},
    {"num_recorded", py_get_num_recorded, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot game_slots[] = {
    {Py_tp_doc, "Game(cartridge)\n--\n\nA console with a cartridge in it, and the game's rules."},
    {Py_tp_new, py_new},
    {Py_tp_dealloc, py_dealloc},
    {Py_tp_methods, game_methods},
    {Py_tp_getset, game_properties},
    {Py_bf_getbuffer, py_get_buffer},
    {0, NULL},
};

PyType_Spec GAME_SPEC = {
    .name = "mario_rl_envs.core._core.Game",
    .basicsize = sizeof(GameObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = game_slots,
};
