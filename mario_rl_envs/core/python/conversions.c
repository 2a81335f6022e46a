/* Conversions between Python's dicts and the core's rules, reward memories and infos. */
#include "python/binding.h" /* Python's header comes before all others */

#include <math.h>

#define INFO_NAME(name, value) #name,
static const char *const INFO_NAMES[NUM_INFO_KEYS] = {INFO_KEYS(INFO_NAME, INFO_NAME, INFO_NAME)};
static const char *const COLUMN_NAMES[NUM_COLUMNS] = {
    INFO_KEYS(INFO_NAME, INFO_OMIT, INFO_OMIT) INFO_KEYS(INFO_OMIT, INFO_OMIT, INFO_NAME)};
static const char *const FLAG_NAMES[NUM_FLAGS] = {INFO_KEYS(INFO_OMIT, INFO_NAME, INFO_OMIT)};
static const char *const TERM_NAMES[MAX_REWARD_TERMS] = {
    "velocity", "progress", "clock", "dying", "death", "flag", "score", "coins", "clip",
};
static const char *const POWER_NAMES[NUM_POWERS] = {"small", "tall", "fireball"};

enum {
    CLIP = NUM_TERMS, /* its place in TERM_NAMES */
    MAX_X = 0xFFFF,   /* pixels */
    /* Many times as many areas as the game has; each is looked for among those before it. */
    MAX_FRONTIERS = 4096,
};
/* The largest number that decimal digits in RAM can show: six bytes of 255. */
static const int64_t MAX_DECIMAL = 255255255255255255;

static bool intern(PyObject **strings, const char *const *names, int count) {
    for (int i = 0; i < count; i++) {
        strings[i] = PyUnicode_InternFromString(names[i]);
        if (strings[i] == NULL) {
            return false;
        }
    }
    return true;
}

bool intern_names(ModuleState *state) {
    state->reward_terms_key = PyUnicode_InternFromString("reward_terms");
    return state->reward_terms_key != NULL && intern(state->info_keys, INFO_NAMES, NUM_INFO_KEYS) &&
           intern(state->term_names, TERM_NAMES, MAX_REWARD_TERMS) &&
           intern(state->power_names, POWER_NAMES, NUM_POWERS);
}

static bool add_names(PyObject *module, const char *attribute, const char *const *names,
                      int count) {
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple != NULL && i < count; i++) {
        PyObject *name = PyUnicode_InternFromString(names[i]);
        if (name == NULL || PyTuple_SetItem(tuple, i, name) != 0) {
            Py_CLEAR(tuple);
        }
    }
    int result = PyModule_AddObjectRef(module, attribute, tuple); /* NULL: an exception stands */
    Py_XDECREF(tuple);
    return result == 0;
}

bool add_info_names(PyObject *module) {
    return add_names(module, "INFO_COLUMNS", COLUMN_NAMES, NUM_COLUMNS) &&
           add_names(module, "INFO_FLAGS", FLAG_NAMES, NUM_FLAGS) &&
           add_names(module, "POWERS", POWER_NAMES, NUM_POWERS);
}

/* Returns -1 if there is no such term. */
static int find_term(PyObject *name) {
    for (int term = 0; term < MAX_REWARD_TERMS; term++) {
        if (PyUnicode_CompareWithASCIIString(name, TERM_NAMES[term]) == 0) {
            return term;
        }
    }
    return -1;
}

/* Only exact types are read: they run no Python code, which might change the dict meanwhile. */
bool get_rules(PyObject *weights, bool is_single_stage, Rules *rules) {
    if (!PyDict_CheckExact(weights)) {
        PyErr_Format(PyExc_TypeError, "weights are a dict of floats by term; got %R", weights);
        return false;
    }
    Rules read = {.is_single_stage = is_single_stage};
    PyObject *name;
    PyObject *weight;
    for (Py_ssize_t i = 0; PyDict_Next(weights, &i, &name, &weight);) {
        int term = PyUnicode_CheckExact(name) ? find_term(name) : -1;
        if (term < 0) {
            PyErr_Format(PyExc_ValueError, "unknown reward term %R", name);
            return false;
        }
        if (!PyFloat_CheckExact(weight)) {
            PyErr_Format(PyExc_TypeError, "the weight of reward term %R is %R; accepted is a float",
                         name, weight);
            return false;
        }
        double value = PyFloat_AsDouble(weight);
        if (!isfinite(value) || (term == CLIP && value <= 0.0)) {
            PyErr_Format(PyExc_ValueError, "the weight of reward term %R cannot be %R", name,
                         weight);
            return false;
        }
        if (term == CLIP) {
            read.has_clip = true;
            read.clip = value;
        } else {
            read.terms[read.num_terms] = (Term)term;
            read.weights[read.num_terms] = value;
            read.num_terms++;
        }
    }
    *rules = read;
    return true;
}

/* Read an integer of a RewardState. The bounds are those of what RAM can hold, so that no
 * difference overflows. */
static bool get_state_integer(PyObject *number, const char *what, int64_t high, int64_t *value) {
    if (number == NULL) {
        PyErr_Format(PyExc_ValueError, "the reward's memory has no %s", what);
        return false;
    }
    *value = PyLong_CheckExact(number) ? PyLong_AsLongLong(number) : -1;
    if (*value < 0 || *value > high) {
        PyErr_Clear();
        PyErr_Format(
            PyExc_ValueError,
            "the reward's memory is damaged: %s is %.200R; accepted is an integer, 0 to %lld", what,
            number, (long long)high);
        return false;
    }
    return true;
}

static bool get_state_bool(PyObject *object, const char *what, bool *value) {
    if (object != Py_True && object != Py_False) {
        PyErr_Format(PyExc_ValueError,
                     "the reward's memory is damaged: %s is %.200R; accepted are True and False",
                     what, object == NULL ? Py_None : object);
        return false;
    }
    *value = object == Py_True;
    return true;
}

static bool add_frontier(RewardMemory *memory, PyObject *pair) {
    if (!PyList_CheckExact(pair) || PyList_Size(pair) != 2) {
        PyErr_Format(PyExc_ValueError,
                     "the reward's memory is damaged: a frontier is %.200R; accepted is [area, x]",
                     pair);
        return false;
    }
    int64_t area;
    int64_t x;
    if (!get_state_integer(PyList_GetItem(pair, 0), "a frontier's area", UINT32_MAX, &area) ||
        !get_state_integer(PyList_GetItem(pair, 1), "a frontier's x", MAX_X, &x)) {
        return false;
    }
    ptrdiff_t index = reward_frontier(memory, (uint32_t)area, (int32_t)x);
    if (index < 0) {
        PyErr_NoMemory();
        return false;
    }
    memory->frontiers[index].x = (int32_t)x;
    return true;
}

static bool get_frontiers(PyObject *list, PyObject *area, RewardMemory *memory) {
    if (list == NULL || !PyList_CheckExact(list)) {
        PyErr_SetString(PyExc_ValueError,
                        "the reward's memory is damaged: frontiers is no list of [area, x]");
        return false;
    }
    if (PyList_Size(list) > MAX_FRONTIERS) {
        PyErr_Format(
            PyExc_ValueError,
            "the reward's memory is damaged: it has %zd frontiers; accepted are %d or less",
            PyList_Size(list), MAX_FRONTIERS);
        return false;
    }
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        if (!add_frontier(memory, PyList_GetItem(list, i))) {
            return false;
        }
    }
    int64_t key;
    if (!get_state_integer(area, "area", UINT32_MAX, &key)) {
        return false;
    }
    for (memory->area = 0; memory->area < memory->num_frontiers; memory->area++) {
        if (memory->frontiers[memory->area].area == (uint32_t)key) {
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "the reward's memory is damaged: its area %.200R is none of its frontiers", area);
    return false;
}

bool get_reward_state(PyObject *dict, RewardMemory *memory) {
    if (!PyDict_CheckExact(dict)) {
        PyErr_Format(PyExc_ValueError, "the reward's memory is damaged: it is %.200R", dict);
        return false;
    }
    RewardMemory read = {0};
    int64_t x = 0;
    if (get_state_integer(PyDict_GetItemString(dict, "x"), "x", MAX_X, &x) &&
        get_state_integer(PyDict_GetItemString(dict, "clock"), "clock", MAX_DECIMAL, &read.clock) &&
        get_state_integer(PyDict_GetItemString(dict, "score"), "score", MAX_DECIMAL, &read.score) &&
        get_state_integer(PyDict_GetItemString(dict, "coins"), "coins", MAX_DECIMAL, &read.coins) &&
        get_state_bool(PyDict_GetItemString(dict, "dead"), "dead", &read.dead) &&
        get_state_bool(PyDict_GetItemString(dict, "flag"), "flag", &read.flag) &&
        get_frontiers(PyDict_GetItemString(dict, "frontiers"), PyDict_GetItemString(dict, "area"),
                      &read)) {
        read.x = (int32_t)x;
        *memory = read;
        return true;
    }
    reward_free(&read);
    return false;
}

PyObject *reward_state(const RewardMemory *memory) {
    PyObject *frontiers = PyList_New(0);
    for (size_t i = 0; frontiers != NULL && i < memory->num_frontiers; i++) {
        const Frontier *frontier = &memory->frontiers[i];
        PyObject *pair = Py_BuildValue("[ki]", (unsigned long)frontier->area, (int)frontier->x);
        if (pair == NULL || PyList_Append(frontiers, pair) != 0) {
            Py_CLEAR(frontiers);
        }
        Py_XDECREF(pair);
    }
    if (frontiers == NULL) {
        return NULL;
    }
    return Py_BuildValue(
        "{s:i,s:L,s:L,s:L,s:O,s:O,s:k,s:N}", "x", (int)memory->x, "clock", (long long)memory->clock,
        "score", (long long)memory->score, "coins", (long long)memory->coins, "dead",
        memory->dead ? Py_True : Py_False, "flag", memory->flag ? Py_True : Py_False, "area",
        (unsigned long)memory->frontiers[memory->area].area, "frontiers", frontiers);
}

/* Take a new value into a dict; it may be NULL after an exception. */
static bool put(PyObject *dict, PyObject *key, PyObject *value) {
    bool is_put = value != NULL && PyDict_SetItem(dict, key, value) == 0;
    Py_XDECREF(value);
    return is_put;
}

static PyObject *terms_dict(const ModuleState *state, const Rules *rules, const double *terms) {
    PyObject *dict = PyDict_New();
    int count = reward_num_terms(rules);
    for (int i = 0; dict != NULL && i < count; i++) {
        int term = i < rules->num_terms ? (int)rules->terms[i] : CLIP;
        if (!put(dict, state->term_names[term], PyFloat_FromDouble(terms ? terms[i] : 0.0))) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

PyObject *info_dict(const ModuleState *state, const Rules *rules, const Info *info,
                    const double *terms) {
    PyObject *dict = PyDict_New();
    PyObject *const *key = state->info_keys;
    if (dict == NULL) {
        return NULL;
    }
#define PUT_NUMBER(name, value) put(dict, *key++, PyLong_FromLongLong(info->name)) &&
#define PUT_FLAG(name, value) put(dict, *key++, PyBool_FromLong(info->name)) &&
#define PUT_POWER(name, value) put(dict, *key++, Py_NewRef(state->power_names[info->name])) &&
    if (INFO_KEYS(PUT_NUMBER, PUT_FLAG, PUT_POWER)
            put(dict, state->reward_terms_key, terms_dict(state, rules, terms))) {
        return dict;
    }
    Py_DECREF(dict);
    return NULL;
}
