/* Counting one chunk of values in one pass: what `_moments.Moments.add`, `_search.EdgeSearch` and `bincount` do together
 * in some thirty calls of numpy. Optional: where it was not built, those do it. Same state, same results, same tests.
 *
 * Reading the values takes a tenth of the time and the arithmetic a quarter; the search for the bucket is the rest. It
 * has a fixed number of steps and no branch that depends on the data, so that nothing is mispredicted.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "NaN and infinity have to be told apart; without a kernel numpy counts"
#endif

/* To be raised with every change of `count`: a module that was built before is not used then. */
#define VERSION 1
#define TILE 256
#define LANES 8

/* Wider registers where the processor has them; chosen when the module is loaded, which takes glibc. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) && defined(__x86_64__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

typedef struct {
    double sum, distance, squares, low, high;
} Moments;

WIDE static size_t not_finite(const double *x, size_t n) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++) found += !(fabs(x[i]) <= DBL_MAX);
    return found;
}

static inline void add_value(double value, double center, double reach, double *sum, double *distance, double *squares,
                             double *low, double *high) {
    double d = value - center;
    d = d > reach ? reach : d;
    d = d < -reach ? -reach : d;
    *sum += d;
    *distance += fabs(d);
    *squares += d * d;
    *low = value < *low ? value : *low;
    *high = value > *high ? value : *high;
}

/* Several sums side by side: quicker, and their rounding errors partly cancel. */
WIDE static void add_moments(const double *x, size_t n, double center, double reach, Moments *into) {
    double sum[LANES] = {0}, distance[LANES] = {0}, squares[LANES] = {0}, low[LANES], high[LANES];
    for (size_t j = 0; j < LANES; j++) {
        low[j] = INFINITY;
        high[j] = -INFINITY;
    }
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            add_value(x[i + j], center, reach, &sum[j], &distance[j], &squares[j], &low[j], &high[j]);
    }
    for (size_t j = 0; i < n; i++, j++)
        add_value(x[i], center, reach, &sum[j], &distance[j], &squares[j], &low[j], &high[j]);
    for (size_t j = 0; j < LANES; j++) {
        into->sum += sum[j];
        into->distance += distance[j];
        into->squares += squares[j];
        into->low = low[j] < into->low ? low[j] : into->low;
        into->high = high[j] > into->high ? high[j] : into->high;
    }
}

/* The group of each value: at[k] = group * (how many groups' last edges x[k] is greater than). */
WIDE static void find_groups(const double *x, size_t n, const double *edges, size_t slots, size_t group, int64_t *at) {
    for (size_t k = 0; k < n; k++) at[k] = 0;
    for (size_t last = group - 1; last + 1 < slots; last += group) {
        const double edge = edges[last];
        for (size_t k = 0; k < n; k++) at[k] += edge < x[k] ? (int64_t)group : 0;
    }
}

/* counts[i] += how many x there are with edges[i - 1] < x <= edges[i]. The edges are padded with +inf to `slots`, a
 * multiple of `group`, which is a power of two, 8 or more. */
static void add_buckets(const double *x, size_t n, const double *edges, size_t slots, size_t group, int64_t *counts) {
    int64_t at[TILE];
    find_groups(x, n, edges, slots, group, at);
    for (size_t k = 0; k < n; k++) {
        const double value = x[k];
        const double *p = edges + at[k];
        for (size_t half = group / 2; half > 4; half /= 2) p += (size_t)(p[half - 1] < value) * half;
        p += (size_t)(p[3] < value) << 2;
        p += (size_t)(p[1] < value) << 1;
        p += (size_t)(p[0] < value);
        counts[p - edges]++;
    }
}

enum { COLUMNS, POSITIONS, ROWS, EDGES, CENTER, REACH, SUMS, RECENT, EXPLICIT, COUNT, MISSING, NON_FINITE, N_BUFFERS };

/* Which arrays are whole numbers, and which have two dimensions. */
static const char FORMAT[N_BUFFERS + 1] = "dqqdddddqqqq";
static const char DIMENSIONS[N_BUFFERS + 1] = "211211222111";

static int is_format(const Py_buffer *view, char wanted) {
    const char *format = view->format;
    if (view->itemsize != 8 || format == NULL || format[0] == '\0' || format[1] != '\0') return 0;
    return wanted == 'd' ? format[0] == 'd' : format[0] == 'q' || format[0] == 'l';
}

static int fits(const Py_buffer *v, Py_ssize_t group) {
    const Py_ssize_t features = v[COUNT].shape[0], known = v[EDGES].shape[0], slots = v[EDGES].shape[1];
    const Py_ssize_t width = v[EXPLICIT].shape[1];
    for (int i = POSITIONS; i < N_BUFFERS; i++)
        if ((uintptr_t)v[i].buf % sizeof(double)) return 0;
    if (v[EXPLICIT].shape[0] != known || known > features || width < 1 || width > slots) return 0;
    if (group < 8 || (group & (group - 1)) || slots % group) return 0;
    if (v[POSITIONS].shape[0] != v[ROWS].shape[0] || v[SUMS].shape[0] != 3 || v[RECENT].shape[0] != 2) return 0;
    if (v[CENTER].shape[0] != features || v[REACH].shape[0] != features || v[MISSING].shape[0] != features) return 0;
    if (v[NON_FINITE].shape[0] != features || v[SUMS].shape[1] != features || v[RECENT].shape[1] != features) return 0;
    const int64_t *positions = v[POSITIONS].buf, *rows = v[ROWS].buf;
    for (Py_ssize_t i = 0; i < v[ROWS].shape[0]; i++) {
        if (positions[i] < 0 || positions[i] >= v[COLUMNS].shape[0] || rows[i] < 0 || rows[i] >= known) return 0;
        /* No value goes past the last bucket: the edges that end it, and all that would follow, are infinite. */
        const double *edges = (double *)v[EDGES].buf + rows[i] * slots;
        for (Py_ssize_t j = width - 1; j < slots; j++)
            if (!(edges[j] == INFINITY)) return 0;
    }
    return 1;
}

static void count_all(const Py_buffer *v, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t group) {
    const Py_ssize_t feature_stride = v[COLUMNS].strides[0], stride = v[COLUMNS].strides[1];
    const Py_ssize_t features = v[COUNT].shape[0], slots = v[EDGES].shape[1], width = v[EXPLICIT].shape[1];
    const int64_t *positions = v[POSITIONS].buf, *rows = v[ROWS].buf;
    double *sums = v[SUMS].buf, *recent = v[RECENT].buf;
    double x[TILE];
    for (Py_ssize_t i = 0; i < v[ROWS].shape[0]; i++) {
        const int64_t row = rows[i];
        const char *values = (const char *)v[COLUMNS].buf + positions[i] * feature_stride;
        const double center = ((double *)v[CENTER].buf)[row], reach = ((double *)v[REACH].buf)[row];
        Moments moments = {0, 0, 0, INFINITY, -INFINITY};
        int64_t counted = 0, missing = 0, non_finite = 0;
        for (Py_ssize_t first = start; first < stop; first += TILE) {
            size_t n = (size_t)(stop - first < TILE ? stop - first : TILE);
            const char *tile = values + first * stride;
            for (size_t k = 0; k < n; k++) memcpy(&x[k], tile + (Py_ssize_t)k * stride, sizeof(double));
            if (not_finite(x, n)) {
                size_t kept = 0;
                for (size_t k = 0; k < n; k++) {
                    missing += isnan(x[k]) != 0;
                    non_finite += isinf(x[k]) != 0;
                    if (isfinite(x[k])) x[kept++] = x[k];
                }
                n = kept;
            }
            counted += (int64_t)n;
            add_moments(x, n, center, reach, &moments);
            add_buckets(x, n, (double *)v[EDGES].buf + row * slots, (size_t)slots, (size_t)group,
                        (int64_t *)v[EXPLICIT].buf + row * width);
        }
        ((int64_t *)v[COUNT].buf)[row] += counted;
        ((int64_t *)v[MISSING].buf)[row] += missing;
        ((int64_t *)v[NON_FINITE].buf)[row] += non_finite;
        /* Rounding must not make a sum that only grows smaller. */
        /* Of a center that follows the mean only the difference of both means anything, and it must not overflow. */
        const double distance = reach == INFINITY ? fabs(moments.sum) : moments.distance;
        const double above = (distance + moments.sum) / 2, below = above - moments.sum;
        sums[row] += fmax(above, 0);
        sums[features + row] += fmax(below, 0);
        sums[2 * features + row] += moments.squares;
        recent[row] = fmin(recent[row], moments.low);
        recent[features + row] = fmin(recent[features + row], -moments.high);
    }
}

PyDoc_STRVAR(count_doc,
"count(columns, start, stop, group, positions, rows, edges, center, reach, sums, recent, explicit, count, missing,\n"
"      non_finite)\n--\n\n"
"Counts the values `columns[positions, start:stop]`, float64 of any layout, into the slots `rows`, all distinct.\n\n"
"A row of `edges` has those of a slot, padded with +inf, in groups of so many. The other arrays are those of `Moments`\n"
"and the bucket counts, all C-contiguous, which are changed in place. Lets go of the interpreter's lock.\n\n"
"Raises:\n    ValueError: the arrays do not go together.");

static PyObject *count(PyObject *module, PyObject *const *args, Py_ssize_t n_args) {
    (void)module;
    if (n_args != N_BUFFERS + 3) return PyErr_Format(PyExc_TypeError, "count takes %d arguments", N_BUFFERS + 3);
    Py_ssize_t numbers[3];
    for (int i = 0; i < 3; i++) {
        numbers[i] = PyLong_AsSsize_t(args[1 + i]);
        if (numbers[i] == -1 && PyErr_Occurred()) return NULL;
    }
    const Py_ssize_t start = numbers[0], stop = numbers[1], group = numbers[2];
    Py_buffer views[N_BUFFERS];
    int held = 0, good = 1;
    for (; good && held < N_BUFFERS; held++) {
        int flags = PyBUF_FORMAT | (held == COLUMNS ? PyBUF_STRIDES : PyBUF_C_CONTIGUOUS);
        if (held >= SUMS) flags |= PyBUF_WRITABLE;
        if (PyObject_GetBuffer(args[held ? held + 3 : 0], &views[held], flags) < 0) break;
        good = is_format(&views[held], FORMAT[held]) && views[held].ndim == DIMENSIONS[held] - '0';
    }
    if (held == N_BUFFERS && good) {
        good = 0 <= start && start <= stop && stop <= views[COLUMNS].shape[1] && fits(views, group);
    }
    if (held == N_BUFFERS && good) {
        Py_BEGIN_ALLOW_THREADS
        count_all(views, start, stop, group);
        Py_END_ALLOW_THREADS
    }
    for (int i = 0; i < held; i++) PyBuffer_Release(&views[i]);
    if (PyErr_Occurred()) return NULL;
    if (!good) {
        PyErr_SetString(PyExc_ValueError, "the arrays to count in do not go together");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"count", (PyCFunction)(void (*)(void))count, METH_FASTCALL, count_doc},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) { return PyModule_AddIntConstant(module, "VERSION", VERSION); }

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* whoever owns the arrays holds a lock */
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_kernel", .m_doc = "Counting numbers, compiled.", .m_size = 0, .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
