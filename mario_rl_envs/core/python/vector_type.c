/* The Python type `Vector`. */
#include "python/binding.h" /* Python's header comes before all others */

#include <limits.h>
#include <stdlib.h>

#include "batch/vector.h"

/* Vector(games, resizer, view, skip, stack, layout, num_threads) */
typedef struct {
    PyObject ob_base;
    PyObject *games; /* a tuple of GameObject, so that they outlive the vector */
    PyObject *resizer;
    VectorOptions options;
    Vector *vector;
} VectorObject;

static const char *const VIEW_NAMES[NUM_VIEWS] = {"gray", "rgb", "ram", "tiles"};
static const char *const LAYOUT_NAMES[NUM_LAYOUTS] = {"frames", "first", "last"};

/* The arrays of `play`, in the order of its arguments. */
enum {
    ARRAY_ORDERS,
    ARRAY_BUTTONS,
    ARRAY_STICKY,
    ARRAY_NUM_NOOPS,
    ARRAY_OBSERVATIONS,
    ARRAY_REWARDS,
    ARRAY_TERMINATED,
    ARRAY_NUM_FRAMES,
    ARRAY_COLUMNS,
    ARRAY_FLAGS,
    ARRAY_TERMS,
    NUM_ARRAYS,
};

static GameObject *game_at(const VectorObject *self, int env) {
    return (GameObject *)PyTuple_GetItem(self->games, env);
}

/* The index of a name, or -1. */
static int find_name(PyObject *name, const char *const *names, int count) {
    for (int i = 0; i < count && PyUnicode_Check(name); i++) {
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static bool get_view(PyObject *name, View *view) {
    int index = find_name(name, VIEW_NAMES, NUM_VIEWS);
    if (index < 0) {
        PyErr_Format(PyExc_ValueError,
                     "unknown view %R; accepted are 'gray', 'rgb', 'ram' and 'tiles'", name);
        return false;
    }
    *view = (View)index;
    return true;
}

static bool get_layout(PyObject *name, Layout *layout) {
    int index = find_name(name, LAYOUT_NAMES, NUM_LAYOUTS);
    if (index < 0) {
        PyErr_Format(PyExc_ValueError,
                     "unknown layout %R; accepted are 'frames', 'first' and 'last'", name);
        return false;
    }
    *layout = (Layout)index;
    return true;
}

static bool get_count(PyObject *object, const char *what, int *value) {
    long number;
    if (!get_integer(object, 1, INT_MAX, what, &number)) {
        return false;
    }
    *value = (int)number;
    return true;
}

/* No game may stand twice in the list: two threads would play it. While the list is looked through
 * each game seen is marked as running. */
static bool check_games(PyObject *games, PyTypeObject *game_type) {
    Py_ssize_t count = PyTuple_Size(games);
    Py_ssize_t num_marked = 0;
    bool are_good = count > 0 && count <= INT_MAX;
    while (are_good && num_marked < count) {
        PyObject *game = PyTuple_GetItem(games, num_marked);
        are_good = Py_IS_TYPE(game, game_type) && game_is_free((GameObject *)game);
        if (are_good) {
            ((GameObject *)game)->runner = current_process();
            num_marked++;
        }
    }
    while (num_marked-- > 0) {
        ((GameObject *)PyTuple_GetItem(games, num_marked))->runner = NO_PROCESS;
    }
    if (!are_good) {
        PyErr_SetString(PyExc_ValueError,
                        "a vector needs a list of Game objects, at least one and none of them "
                        "twice, that no thread is running");
    }
    return are_good;
}

static bool create(VectorObject *self) {
    int num_envs = self->options.num_envs;
    Game **games = calloc((size_t)num_envs, sizeof *games);
    if (games != NULL) {
        for (int i = 0; i < num_envs; i++) {
            games[i] = &game_at(self, i)->game;
        }
        self->vector = vector_create(games, &self->options);
    }
    free(games);
    if (self->vector == NULL) {
        PyErr_NoMemory();
    }
    return self->vector != NULL;
}

static bool init(VectorObject *self, PyObject *resizer, const ModuleState *state) {
    if (!check_games(self->games, state->game_type)) {
        return false;
    }
    self->options.num_envs = (int)PyTuple_Size(self->games);
    self->options.num_terms = reward_num_terms(&game_at(self, 0)->game.rules);
    if (resizer != Py_None) {
        if (!Py_IS_TYPE(resizer, state->resizer_type)) {
            PyErr_Format(PyExc_TypeError, "pictures are made by a Resizer or None; got %R",
                         resizer);
            return false;
        }
        self->resizer = Py_NewRef(resizer);
        self->options.resizer = ((ResizerObject *)resizer)->resizer;
        self->options.size = (int)((ResizerObject *)resizer)->size;
    }
    return create(self);
}

static PyObject *vector_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"games", "resizer", "view",        "skip",
                            "stack", "layout",  "num_threads", NULL};
    PyObject *games, *resizer, *view, *skip, *stack, *layout, *num_threads;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOOOO:Vector", names, &games, &resizer,
                                     &view, &skip, &stack, &layout, &num_threads)) {
        return NULL;
    }
    ModuleState *state = PyType_GetModuleState(type);
    VectorObject *self = state == NULL ? NULL : allocate(type);
    if (self == NULL) {
        return NULL;
    }
    self->games = PySequence_Tuple(games);
    if (self->games == NULL || !get_view(view, &self->options.view) ||
        !get_count(skip, "skip", &self->options.skip) ||
        !get_count(stack, "stack", &self->options.stack) ||
        !get_layout(layout, &self->options.layout) ||
        !get_count(num_threads, "num_threads", &self->options.num_threads) ||
        !init(self, resizer, state)) {
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void vector_dealloc(PyObject *object) {
    VectorObject *self = (VectorObject *)object;
    vector_destroy(self->vector);
    Py_XDECREF(self->games);
    Py_XDECREF(self->resizer);
    deallocate(self);
}

/* Take one array of `play`: C-contiguous, with so many items of this size. */
static bool get_array(PyObject *object, size_t count, size_t item_size, bool is_writable,
                      const char *what, Py_buffer *array) {
    int flags = PyBUF_C_CONTIGUOUS | (is_writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, array, flags) != 0) {
        return false;
    }
    if ((size_t)array->itemsize == item_size && (size_t)array->len == count * item_size) {
        return true;
    }
    PyErr_Format(PyExc_ValueError,
                 "%s has %zd bytes, %zd an item; accepted are %zu bytes, %zu an item", what,
                 array->len, array->itemsize, count * item_size, item_size);
    PyBuffer_Release(array);
    return false;
}

static void release_arrays(Py_buffer *arrays, int count) {
    for (int i = 0; i < count; i++) {
        if (arrays[i].obj != NULL) {
            PyBuffer_Release(&arrays[i]);
        }
    }
}

static bool get_arrays(const VectorObject *self, PyObject *const *args, Py_buffer *arrays) {
    const VectorOptions *options = &self->options;
    size_t envs = (size_t)options->num_envs;
    const struct {
        const char *what;
        size_t count;
        size_t item_size;
    } wanted[NUM_ARRAYS] = {
        [ARRAY_ORDERS] = {"orders", envs, 1},
        [ARRAY_BUTTONS] = {"buttons", envs, 1},
        [ARRAY_STICKY] = {"sticky", envs * (size_t)options->skip, 1},
        [ARRAY_NUM_NOOPS] = {"num_noops", envs, sizeof(int32_t)},
        [ARRAY_OBSERVATIONS] = {"observations", envs * vector_observation_size(self->vector), 1},
        [ARRAY_REWARDS] = {"rewards", envs, sizeof(double)},
        [ARRAY_TERMINATED] = {"terminated", envs, 1},
        [ARRAY_NUM_FRAMES] = {"num_frames", envs, sizeof(int32_t)},
        [ARRAY_COLUMNS] = {"columns", envs * NUM_COLUMNS, sizeof(int64_t)},
        [ARRAY_FLAGS] = {"flags", envs * NUM_FLAGS, 1},
        [ARRAY_TERMS] = {"terms", envs * (size_t)options->num_terms, sizeof(double)},
    };
    for (int i = 0; i < NUM_ARRAYS; i++) {
        arrays[i].obj = NULL;
        if (i == ARRAY_STICKY && args[i] == Py_None) {
            arrays[i].buf = NULL;
        } else if (!get_array(args[i], wanted[i].count, wanted[i].item_size,
                              i >= ARRAY_OBSERVATIONS, wanted[i].what, &arrays[i])) {
            release_arrays(arrays, i);
            return false;
        }
    }
    return true;
}

/* Everything that playing takes for granted. */
static bool check_envs(const VectorObject *self, const uint8_t *orders) {
    for (int i = 0; i < self->options.num_envs; i++) {
        GameObject *game = game_at(self, i);
        if (!game_is_free(game)) {
            PyErr_SetString(PyExc_RuntimeError,
                            "another thread is running these games: one thread at a time");
            return false;
        }
        if (orders[i] >= NUM_ORDERS ||
            (orders[i] != ORDER_NOTHING && game->game.memory.num_frontiers == 0)) {
            PyErr_Format(PyExc_ValueError, "env %d cannot do %d, or has nothing loaded yet", i,
                         (int)orders[i]);
            return false;
        }
        if (reward_num_terms(&game->game.rules) != self->options.num_terms) {
            PyErr_Format(PyExc_ValueError, "env %d has another number of reward terms now", i);
            return false;
        }
    }
    return true;
}

static void set_runner(const VectorObject *self, Process runner) {
    for (int i = 0; i < self->options.num_envs; i++) {
        game_at(self, i)->runner = runner;
    }
}

static PyObject *vector_play_all(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    VectorObject *self = (VectorObject *)object;
    Py_buffer arrays[NUM_ARRAYS];
    if (!check_count("play", count, NUM_ARRAYS, NUM_ARRAYS) || !get_arrays(self, args, arrays)) {
        return NULL;
    }
    const Orders orders = {
        .orders = arrays[ARRAY_ORDERS].buf,
        .buttons = arrays[ARRAY_BUTTONS].buf,
        .sticky = arrays[ARRAY_STICKY].buf,
        .num_noops = arrays[ARRAY_NUM_NOOPS].buf,
    };
    const Results results = {
        .observations = arrays[ARRAY_OBSERVATIONS].buf,
        .rewards = arrays[ARRAY_REWARDS].buf,
        .terminated = arrays[ARRAY_TERMINATED].buf,
        .num_frames = arrays[ARRAY_NUM_FRAMES].buf,
        .columns = arrays[ARRAY_COLUMNS].buf,
        .flags = arrays[ARRAY_FLAGS].buf,
        .terms = arrays[ARRAY_TERMS].buf,
    };
    bool is_good = check_envs(self, orders.orders);
    if (is_good) {
        const char *error;
        int env = 0;
        set_runner(self, current_process());
        Py_BEGIN_ALLOW_THREADS error = vector_play(self->vector, &orders, &results, &env);
        Py_END_ALLOW_THREADS set_runner(self, NO_PROCESS);
        if (error != NULL) {
            PyErr_Format(PyExc_RuntimeError, "env %d: %s", env, error);
            is_good = false;
        }
    }
    release_arrays(arrays, NUM_ARRAYS);
    return is_good ? Py_NewRef(Py_None) : NULL;
}

static bool get_env(const VectorObject *self, PyObject *object, int *env) {
    long number;
    if (!get_integer(object, 0, self->options.num_envs - 1, "the index of an environment",
                     &number)) {
        return false;
    }
    *env = (int)number;
    if (!game_is_free(game_at(self, *env))) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is running this game");
        return false;
    }
    return true;
}

static PyObject *vector_get_last_buttons(PyObject *object, PyObject *number) {
    VectorObject *self = (VectorObject *)object;
    int env;
    if (!get_env(self, number, &env)) {
        return NULL;
    }
    return PyLong_FromLong(vector_last_buttons(self->vector, env));
}

/* Take the stack of observations out of the argument. Returns false after an exception. */
static bool set_stack(const VectorObject *self, int env, PyObject *argument) {
    Py_buffer observations;
    if (!get_bytes(argument, (Py_ssize_t)vector_observation_size(self->vector), false,
                   "the array of observations", &observations)) {
        return false;
    }
    vector_set_stack(self->vector, env, observations.buf);
    PyBuffer_Release(&observations);
    return true;
}

static PyObject *vector_replace_stack(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    VectorObject *self = (VectorObject *)object;
    int env;
    if (!check_count("set_stack", count, 2, 2) || !get_env(self, args[0], &env) ||
        !set_stack(self, env, args[1])) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *vector_write_stack(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    VectorObject *self = (VectorObject *)object;
    int env;
    Py_buffer out;
    if (!check_count("get_stack", count, 2, 2) || !get_env(self, args[0], &env) ||
        !get_bytes(args[1], (Py_ssize_t)vector_observation_size(self->vector), true,
                   "the array of observations", &out)) {
        return NULL;
    }
    vector_get_stack(self->vector, env, out.buf);
    PyBuffer_Release(&out);
    Py_RETURN_NONE;
}

static PyObject *vector_restore(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    VectorObject *self = (VectorObject *)object;
    int env;
    long buttons;
    if (!check_count("restore", count, 3, 3) || !get_env(self, args[0], &env) ||
        !get_integer(args[1], 0, UINT8_MAX, "a joypad byte", &buttons) ||
        !set_stack(self, env, args[2])) {
        return NULL;
    }
    vector_set_last_buttons(self->vector, env, (uint8_t)buttons);
    Py_RETURN_NONE;
}

/* Under METH_FASTCALL a method takes other arguments than PyCFunction says. */
#define METHOD(name, function, flags) {name, (PyCFunction)(void (*)(void))(function), flags, NULL}

static PyMethodDef vector_methods[] = {
    METHOD("play", vector_play_all, METH_FASTCALL),
    METHOD("last_buttons", vector_get_last_buttons, METH_O),
    METHOD("set_stack", vector_replace_stack, METH_FASTCALL),
    METHOD("get_stack", vector_write_stack, METH_FASTCALL),
    METHOD("restore", vector_restore, METH_FASTCALL),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot vector_slots[] = {
    {Py_tp_doc, "Vector(games, resizer, view, skip, stack, layout, num_threads)\n--\n\n"
                "Games that are played side by side."},
    {Py_tp_new, vector_new},
    {Py_tp_dealloc, vector_dealloc},
    {Py_tp_methods, vector_methods},
    {0, NULL},
};

PyType_Spec VECTOR_SPEC = {
    .name = "mario_rl_envs.core._core.Vector",
    .basicsize = sizeof(VectorObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = vector_slots,
};
