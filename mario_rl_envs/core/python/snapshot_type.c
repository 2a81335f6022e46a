/* The Python type `Snapshot`. */
#include "python/binding.h" /* Python's header comes before all others */

PyObject *wrap_snapshot(const GameObject *game, const Snapshot *snapshot) {
    SnapshotObject *self = allocate(state_of((PyObject *)game)->snapshot_type);
    if (self == NULL) {
        return NULL;
    }
    self->snapshot = *snapshot;
    self->cartridge = (CartridgeObject *)Py_NewRef((PyObject *)game->cartridge);
    return (PyObject *)self;
}

PyObject *take_snapshot(const GameObject *game) {
    Snapshot snapshot;
    if (!snapshot_take(&snapshot, &game->game)) {
        return PyErr_NoMemory();
    }
    PyObject *object = wrap_snapshot(game, &snapshot);
    if (object == NULL) {
        snapshot_free(&snapshot);
    }
    return object;
}

static void snapshot_dealloc(PyObject *object) {
    SnapshotObject *self = (SnapshotObject *)object;
    snapshot_free(&self->snapshot);
    Py_XDECREF((PyObject *)self->cartridge);
    deallocate(self);
}

static PyType_Slot snapshot_slots[] = {
    {Py_tp_doc, "A game at one moment, kept in memory; Game.snapshot() makes it."},
    {Py_tp_dealloc, snapshot_dealloc},
    {0, NULL},
};

PyType_Spec SNAPSHOT_SPEC = {
    .name = "mario_rl_envs.core._core.Snapshot",
    .basicsize = sizeof(SnapshotObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = snapshot_slots,
};
