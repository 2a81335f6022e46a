/* Shared by the files of the Python module `_core`. */
#ifndef MARIO_RL_BINDING_H
#define MARIO_RL_BINDING_H

#define Py_LIMITED_API 0x030B0000 /* one build for Python 3.11 and all later ones */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "batch/colors.h"
#include "batch/process.h"
#include "batch/resize.h"
#include "game/game.h"
#include "game/recording.h"
#include "game/snapshot.h"
#include "game/tiles.h"
#include "machine/cartridge.h"

/* So many frames run without the interpreter's lock, and nothing can interrupt them. */
enum { MAX_FRAMES_PER_CALL = 1000 };

/* The state of the module. */
typedef struct {
    PyTypeObject *cartridge_type;
    PyTypeObject *resizer_type;
    PyTypeObject *game_type;
    PyTypeObject *snapshot_type;
    PyTypeObject *vector_type;
    PyObject *info_keys[NUM_INFO_KEYS];     /* strings, in the order of INFO_KEYS */
    PyObject *reward_terms_key;             /* the last key of an info */
    PyObject *term_names[MAX_REWARD_TERMS]; /* strings by Term, then "clip" */
    PyObject *power_names[NUM_POWERS];      /* strings by Power */
} ModuleState;

/* Cartridge(rom): never changes, shared by any number of games. */
typedef struct {
    PyObject ob_base;
    Cartridge cartridge;
} CartridgeObject;

/* Resizer(size): never changes, shared by any number of games. */
typedef struct {
    PyObject ob_base;
    Resizer *resizer;
    long size; /* pixels */
} ResizerObject;

/* Game(cartridge) */
typedef struct {
    PyObject ob_base;
    CartridgeObject *cartridge;
    Process runner; /* whose thread runs the game without the interpreter's lock, or NO_PROCESS */
    Recording recording;
    Picture picture; /* each plane from when it was first asked for */
    Game game;
} GameObject;

/* A game at one moment: made by Game.snapshot(), never changes, restored by any number of games. */
typedef struct {
    PyObject ob_base;
    CartridgeObject *cartridge;
    Snapshot snapshot;
} SnapshotObject;

extern PyType_Spec GAME_SPEC;     /* see game_type.c */
extern PyType_Spec SNAPSHOT_SPEC; /* see snapshot_type.c */
extern PyType_Spec VECTOR_SPEC;   /* see vector_type.c */

/* Whether no thread of this process runs a game. In a game that a thread of the parent process ran
 * at the fork no episode has begun from then on. */
bool game_is_free(GameObject *game);

/* Take a snapshot of a game. NULL: an exception. */
PyObject *take_snapshot(const GameObject *game);

/* Make an object of a snapshot of a game, which belongs to the object then. NULL: an exception. */
PyObject *wrap_snapshot(const GameObject *game, const Snapshot *snapshot);

/* Do what Game.explore does with these four arguments, in exploration.c; nobody else runs the game,
 * and an episode has begun. NULL: an exception. */
PyObject *explore(GameObject *game, PyObject *const *args);

/* The state of the module that an object's type belongs to. */
ModuleState *state_of(PyObject *object);

/* Make an object of one of the module's types, all zero after its head. NULL: an exception. */
void *allocate(PyTypeObject *type);

/* Free an object that `allocate` made. */
void deallocate(void *object);

/* Raise TypeError and return false unless a method was given from `low` to `high` arguments. */
bool check_count(const char *method, Py_ssize_t count, Py_ssize_t low, Py_ssize_t high);

/* Read an integer from `low` to `high`; `what` is its name in the error. Returns false after an
 * exception. */
bool get_integer(PyObject *object, long low, long high, const char *what, long *value);

/* Read whether an object counts as true. Returns false after an exception. */
bool get_bool(PyObject *object, bool *value);

/* Take a C-contiguous buffer of exactly so many bytes; `what` is its name in the error. It is to be
 * released by PyBuffer_Release. Returns false after an exception. */
bool get_bytes(PyObject *object, Py_ssize_t size, bool is_writable, const char *what,
               Py_buffer *buffer);

/* Conversions, in conversions.c. */

/* Read weights by term (floats, in the order in which they are summed) and "clip", as
 * `reward_weights` in rewards.py returns them. Returns false after an exception; then the rules are
 * as they were. */
bool get_rules(PyObject *weights, bool is_single_stage, Rules *rules);

/* The reward's memory as RewardState in rewards.py. */
PyObject *reward_state(const RewardMemory *memory);

/* Read a RewardState into a memory of its own, to be freed by `reward_free`. Returns false after an
 * exception. */
bool get_reward_state(PyObject *dict, RewardMemory *memory);

/* The dict Info of rules.py; the terms are those of Step, or NULL: all zero. */
PyObject *info_dict(const ModuleState *state, const Rules *rules, const Info *info,
                    const double *terms);

/* Make the strings that the conversions use. Returns false after an exception. */
bool intern_names(ModuleState *state);

/* Add the names of the info's columns, flags and powers to the module, tuples of strings. Returns
 * false after an exception. */
bool add_info_names(PyObject *module);

#endif
