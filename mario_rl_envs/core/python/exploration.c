/* The method `explore` of the Python type `Game`. */
#include "python/binding.h" /* Python's header comes before all others */

#include <stdlib.h>
#include <string.h>

#include "game/exploration.h"

enum { MAX_CELL_SIZE = 64 }; /* bytes */

/* The arguments of a call, and the memory for what comes of it. */
typedef struct {
    Py_buffer buttons;
    Py_buffer addresses;
    Py_buffer masks;
    Exploration exploration;
    Discoveries discoveries;
} Call;

static bool check_cell(const Call *call) {
    Py_ssize_t size = call->masks.len;
    if (size < 1 || size > MAX_CELL_SIZE || call->masks.itemsize != 1 ||
        call->addresses.itemsize != sizeof(uint16_t) ||
        call->addresses.len != size * (Py_ssize_t)sizeof(uint16_t)) {
        PyErr_Format(PyExc_ValueError,
                     "a cell has 1 to %d bytes: as many addresses of 16 bits as masks of 8 bits; "
                     "got %zd bytes of addresses and %zd of masks",
                     (int)MAX_CELL_SIZE, call->addresses.len, size);
        return false;
    }
    return true;
}

static bool check_length(const Call *call, long skip) {
    if (call->buttons.len < 1 || call->buttons.len > MAX_FRAMES_PER_CALL / skip) {
        PyErr_Format(PyExc_ValueError,
                     "%zd decisions of %ld frames; accepted are at least one, and %d frames in all",
                     call->buttons.len, skip, (int)MAX_FRAMES_PER_CALL);
        return false;
    }
    return true;
}

/* Read what is explored. Returns false after an exception. */
static bool read_call(PyObject *const *args, Call *call) {
    long skip;
    if (!get_integer(args[1], 1, MAX_FRAMES_PER_CALL, "skip", &skip) ||
        PyObject_GetBuffer(args[0], &call->buttons, PyBUF_SIMPLE) != 0 ||
        PyObject_GetBuffer(args[2], &call->addresses, PyBUF_C_CONTIGUOUS) != 0 ||
        PyObject_GetBuffer(args[3], &call->masks, PyBUF_C_CONTIGUOUS) != 0 || !check_cell(call) ||
        !check_length(call, skip)) {
        return false;
    }
    call->exploration = (Exploration){
        .buttons = call->buttons.buf,
        .num_decisions = (int)call->buttons.len,
        .skip = (int)skip,
        .addresses = call->addresses.buf,
        .masks = call->masks.buf,
        .cell_size = (size_t)call->masks.len,
    };
    return true;
}

static bool make_room(Call *call) {
    size_t count = (size_t)call->exploration.num_decisions;
    Discoveries *discoveries = &call->discoveries;
    discoveries->cells = malloc((1 + count) * call->exploration.cell_size);
    discoveries->is_new = calloc(count, sizeof *discoveries->is_new);
    discoveries->snapshots = malloc(count * sizeof *discoveries->snapshots);
    if (discoveries->cells == NULL || discoveries->is_new == NULL ||
        discoveries->snapshots == NULL) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

static void release_buffer(Py_buffer *buffer) {
    if (buffer->obj != NULL) {
        PyBuffer_Release(buffer);
    }
}

static void release(Call *call) {
    Discoveries *discoveries = &call->discoveries;
    for (int i = 0; discoveries->is_new != NULL && i < call->exploration.num_decisions; i++) {
        if (discoveries->is_new[i]) {
            snapshot_free(&discoveries->snapshots[i]);
        }
    }
    free(discoveries->cells);
    free(discoveries->is_new);
    free(discoveries->snapshots);
    release_buffer(&call->buttons);
    release_buffer(&call->addresses);
    release_buffer(&call->masks);
}

/* The snapshots as a list, moved there; None where the cell is that before. NULL: an exception. */
static PyObject *snapshot_list(const GameObject *game, Discoveries *discoveries) {
    PyObject *list = PyList_New(discoveries->num_taken);
    for (int i = 0; list != NULL && i < discoveries->num_taken; i++) {
        PyObject *item;
        if (discoveries->is_new[i]) {
            item = wrap_snapshot(game, &discoveries->snapshots[i]);
            discoveries->is_new[i] = item == NULL; /* else it belongs to the object */
        } else {
            item = Py_NewRef(Py_None);
        }
        if (item == NULL || PyList_SetItem(list, i, item) != 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *result(const GameObject *game, Call *call) {
    Discoveries *discoveries = &call->discoveries;
    PyObject *snapshots = snapshot_list(game, discoveries);
    if (snapshots == NULL) {
        return NULL;
    }
    size_t num_cells = 1 + (size_t)discoveries->num_taken;
    return Py_BuildValue("(y#NOO)", (const char *)discoveries->cells,
                         (Py_ssize_t)(num_cells * call->exploration.cell_size), snapshots,
                         discoveries->is_over ? Py_True : Py_False,
                         discoveries->is_cleared ? Py_True : Py_False);
}

static PyObject *run(GameObject *game, Call *call) {
    const char *error;
    game->runner = current_process();
    Py_BEGIN_ALLOW_THREADS error =
        game_explore(&game->game, &call->exploration, &call->discoveries);
    Py_END_ALLOW_THREADS game->runner = NO_PROCESS;
    if (error != NULL) {
        PyErr_SetString(PyExc_RuntimeError, error);
        return NULL;
    }
    return result(game, call);
}

PyObject *explore(GameObject *game, PyObject *const *args) {
    Call call = {0};
    PyObject *outcome = read_call(args, &call) && make_room(&call) ? run(game, &call) : NULL;
    release(&call);
    return outcome;
}
