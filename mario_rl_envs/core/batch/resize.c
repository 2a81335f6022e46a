/* Resizing by area: see resize.h.
 *
 * INTER_AREA lays the grid of new pixels over the picture; a new pixel is the mean of what it
 * covers, a pixel covered in part counting in part. Measured in pixels of 1/size by 1/size, all
 * parts are whole numbers. So the sums are integers, and exact:
 *
 *     sums[x]   = sum over the rows y that are covered of  weight[y] * picture[y][x]
 *     new pixel = sum over the columns x that are covered of  weight[x] * sums[x],  over the area
 *
 * OpenCV computes the same in floats. Rounded, both agree, but where the mean is so close to half
 * way between two grays that the floats' own error decides. Those few pixels are computed again as
 * OpenCV does it, in floats and in its order. The error is bounded (see `margin`): none is missed.
 *
 * Beside the plain C stands the same with AVX2, taken if the processor has it. The products of floats here must be rounded before they are added: no contraction to fused
 * multiply-add, see the flags of the build.
 */
#include "batch/resize.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "batch/colors.h"
#include "machine/avx2.h"

enum {
    BLOCK_ROWS = 8, /* new rows that are made together: a vector of 32-bit numbers, one a row */
    NUM_PAIRS = SCREEN_WIDTH / 2,
    MAX_PARTS = SCREEN_WIDTH + MAX_RESIZER_SIZE, /* two neighbors share a pixel at most */
};

/* A row or column of the picture, as far as a new pixel covers it. */
typedef struct {
    uint8_t source;
    uint8_t weight;      /* 1/size pixels, divided by the greatest divisor of all weights */
    float opencv_weight; /* the share of the new pixel, in OpenCV's rounding */
} Part;

typedef struct {
    Part parts[MAX_PARTS];                /* of new pixel 0, then of new pixel 1, ... */
    int first_part[MAX_RESIZER_SIZE + 1]; /* of each new pixel; one more marks the end */
    int max_parts;                        /* of one new pixel */
    int total_weight;                     /* of one new pixel; the same for all */
} Axis;

struct Resizer {
    int size;
    bool is_plain;
    bool is_integral; /* the area is a whole number of pixels: OpenCV sums up in integers, too */
    Axis rows;
    Axis columns;
    float scale;  /* 1 / area */
    float margin; /* a mean that is further from half way rounds the same in floats */
    /* For AVX2: the columns in pairs, (0, 1), (2, 3), ...; each new pixel adds up as many. */
    int pairs_per_pixel;
    uint8_t first_pair[MAX_RESIZER_SIZE];
    int32_t *pair_weights; /* [size][pairs_per_pixel], two of 16 bits each */
};

bool resizer_is_native(int size) {
    return size >= 1 && size <= MAX_RESIZER_SIZE;
}

static int greatest_common_divisor(int a, int b) {
    while (b != 0) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int min_int(int a, int b) {
    return a < b ? a : b;
}
static int max_int(int a, int b) {
    return a > b ? a : b;
}

/* The share of `source` in new pixel `i`, as OpenCV computes it: in doubles, kept in a float. */
static float opencv_weight(int length, int size, int i, int source) {
    double scale = 1.0 / ((double)size / length);
    double begin = i * scale;
    double end = begin + scale;
    double covered = fmin(end, source + 1.0) - fmax(begin, source);
    return (float)(covered / fmin(scale, length - begin));
}

static void axis_init(Axis *axis, int length, int size) {
    int divisor = greatest_common_divisor(length, size);
    int num_parts = 0;
    axis->max_parts = 0;
    axis->total_weight = length / divisor;
    for (int i = 0; i < size; i++) {
        int begin = i * length, end = begin + length; /* in 1/size pixels */
        axis->first_part[i] = num_parts;
        for (int source = begin / size; source * size < end; source++) {
            int covered = min_int(end, (source + 1) * size) - max_int(begin, source * size);
            axis->parts[num_parts++] = (Part){
                .source = (uint8_t)source,
                .weight = (uint8_t)(covered / divisor),
                .opencv_weight = opencv_weight(length, size, i, source),
            };
        }
        axis->max_parts = max_int(axis->max_parts, num_parts - axis->first_part[i]);
    }
    axis->first_part[size] = num_parts;
}

/* Arrange the weights of the columns in pairs. Pairs that a new pixel does not need weigh 0. */
static bool init_pairs(Resizer *resizer) {
    const Axis *columns = &resizer->columns;
    int size = resizer->size;
    int most = 0;
    for (int i = 0; i < size; i++) {
        const Part *first = &columns->parts[columns->first_part[i]];
        const Part *last = &columns->parts[columns->first_part[i + 1] - 1];
        most = max_int(most, last->source / 2 - first->source / 2 + 1);
    }
    resizer->pairs_per_pixel = most;
    int num_pixels = (size + 3) / 4 * 4; /* made in fours; what is too much is thrown away */
    resizer->pair_weights = calloc((size_t)num_pixels * (size_t)most, sizeof(int32_t));
    if (resizer->pair_weights == NULL) {
        return false;
    }
    for (int i = 0; i < size; i++) {
        int k = columns->first_part[i];
        int first_pair = min_int(columns->parts[k].source / 2, NUM_PAIRS - most);
        resizer->first_pair[i] = (uint8_t)first_pair;
        for (; k < columns->first_part[i + 1]; k++) {
            Part part = columns->parts[k];
            int32_t *pair = &resizer->pair_weights[i * most + part.source / 2 - first_pair];
            *pair |= (int32_t)part.weight << (part.source % 2 * 16);
        }
    }
    return true;
}

static Resizer *create(int size, bool is_plain) {
    if (!resizer_is_native(size)) {
        return NULL;
    }
    Resizer *resizer = calloc(1, sizeof(Resizer));
    if (resizer == NULL) {
        return NULL;
    }
    resizer->size = size;
    resizer->is_plain = is_plain || size < BLOCK_ROWS;
    resizer->is_integral = SCREEN_HEIGHT % size == 0 && SCREEN_WIDTH % size == 0;
    axis_init(&resizer->rows, SCREEN_HEIGHT, size);
    axis_init(&resizer->columns, SCREEN_WIDTH, size);
    resizer->scale = 1.0f / (float)(resizer->rows.total_weight * resizer->columns.total_weight);
    /* Each rounding is off by half an epsilon of at most 256 grays: one a part for the addition,
     * and a few for the weights, their products and `scale`. */
    int num_roundings = resizer->rows.max_parts + resizer->columns.max_parts + 8;
    resizer->margin = (float)num_roundings * (FLT_EPSILON / 2) * 256.0f;
    if (!init_pairs(resizer)) {
        free(resizer);
        return NULL;
    }
    return resizer;
}

Resizer *resizer_create(int size) {
    return create(size, !has_avx2());
}

Resizer *resizer_create_plain(int size) {
    return create(size, true);
}

void resizer_destroy(Resizer *resizer) {
    if (resizer != NULL) {
        free(resizer->pair_weights);
        free(resizer);
    }
}

static uint8_t round_half_to_even(float value) {
    int below = (int)value;
    float rest = value - (float)below;
    return (uint8_t)(below + (rest > 0.5f || (rest == 0.5f && below % 2 == 1)));
}

/* One new pixel as OpenCV computes it, in floats: each row by itself, then the rows. */
static uint8_t opencv_pixel(const Resizer *resizer, const uint8_t *picture, int row, int column) {
    const Axis *rows = &resizer->rows, *columns = &resizer->columns;
    int row_end = rows->first_part[row + 1];
    int column_end = columns->first_part[column + 1];
    float mean = 0.0f;
    int sum = 0;
    for (int j = rows->first_part[row]; j < row_end; j++) {
        const uint8_t *line = picture + rows->parts[j].source * SCREEN_WIDTH;
        float line_mean = 0.0f;
        for (int i = columns->first_part[column]; i < column_end; i++) {
            Part part = columns->parts[i];
            line_mean += (float)line[part.source] * part.opencv_weight;
            sum += line[part.source];
        }
        mean += line_mean * rows->parts[j].opencv_weight;
    }
    return round_half_to_even(resizer->is_integral ? (float)sum * resizer->scale : mean);
}

/* Make new rows, from `first_row`, in plain C. */
static void plain_block(const Resizer *resizer, const uint8_t *picture, int first_row, int num_rows,
                        uint8_t out[BLOCK_ROWS][SCREEN_WIDTH]) {
    const Axis *rows = &resizer->rows, *columns = &resizer->columns;
    for (int row = first_row; row < first_row + num_rows; row++) {
        uint16_t sums[SCREEN_WIDTH] = {0}; /* 240 * 255 at most */
        for (int j = rows->first_part[row]; j < rows->first_part[row + 1]; j++) {
            const uint8_t *line = picture + rows->parts[j].source * SCREEN_WIDTH;
            uint16_t weight = rows->parts[j].weight;
            for (int x = 0; x < SCREEN_WIDTH; x++) {
                sums[x] = (uint16_t)(sums[x] + weight * line[x]);
            }
        }
        for (int column = 0; column < resizer->size; column++) {
            int sum = 0; /* 240 * 256 * 255 at most, which a float holds exactly */
            for (int i = columns->first_part[column]; i < columns->first_part[column + 1]; i++) {
                sum += columns->parts[i].weight * sums[columns->parts[i].source];
            }
            float mean = (float)sum * resizer->scale;
            int rounded = (int)(mean + 0.5f);
            if (fabsf(mean - (float)rounded) > 0.5f - resizer->margin) {
                rounded = opencv_pixel(resizer, picture, row, column);
            }
            out[row - first_row][column] = (uint8_t)rounded;
        }
    }
}

#if IS_X86_64

/* Exchange rows and columns of eight vectors of eight 32-bit numbers. */
AVX2_FUNCTION static inline void transpose(__m256i v[8]) {
    __m256i twos[8], fours[8];
    UNROLLED
    for (int i = 0; i < 8; i += 2) {
        twos[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
        twos[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLLED
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_unpacklo_epi64(twos[i], twos[i + 2]);
        fours[i + 1] = _mm256_unpackhi_epi64(twos[i], twos[i + 2]);
        fours[i + 2] = _mm256_unpacklo_epi64(twos[i + 1], twos[i + 3]);
        fours[i + 3] = _mm256_unpackhi_epi64(twos[i + 1], twos[i + 3]);
    }
    UNROLLED
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x20);
        v[i + 4] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x31);
    }
}

/* The weighted sum of the picture's rows that new row `row` covers, less 32,768, so that the sums
 * fit into 16 bits with a sign. */
AVX2_FUNCTION static inline void avx2_sum_rows(const Axis *rows, const uint8_t *picture, int row,
                                               int16_t out[SCREEN_WIDTH]) {
    enum { NUM_VECTORS = 8 }; /* of 16 columns each, at a time */
    for (int x = 0; x < SCREEN_WIDTH; x += 16 * NUM_VECTORS) {
        __m256i sums[NUM_VECTORS];
        UNROLLED
        for (int i = 0; i < NUM_VECTORS; i++) {
            sums[i] = _mm256_set1_epi16(INT16_MIN);
        }
        for (int j = rows->first_part[row]; j < rows->first_part[row + 1]; j++) {
            const uint8_t *line = picture + rows->parts[j].source * SCREEN_WIDTH + x;
            __m256i weight = _mm256_set1_epi16(rows->parts[j].weight);
            UNROLLED
            for (int i = 0; i < NUM_VECTORS; i++) {
                __m128i bytes = _mm_loadu_si128((const __m128i *)(line + 16 * i));
                __m256i products = _mm256_mullo_epi16(_mm256_cvtepu8_epi16(bytes), weight);
                sums[i] = _mm256_add_epi16(sums[i], products);
            }
        }
        UNROLLED
        for (int i = 0; i < NUM_VECTORS; i++) {
            _mm256_storeu_si256((__m256i *)(out + x + 16 * i), sums[i]);
        }
    }
}

/* Four new pixels next to each other, of eight rows: a row's four bytes are one 32-bit number. */
typedef union {
    __m256i vector;
    uint8_t bytes[BLOCK_ROWS][4];
} Quad;

/* Sum up the columns of eight rows, four new pixels a quad, and round. `close` says which rounded
 * means are too close to half way: bit 16 * (row / 4) + 4 * column + row % 4. */
AVX2_FUNCTION static inline void avx2_sum_columns(const Resizer *resizer, int pairs_per_pixel,
                                                  const __m256i pairs[NUM_PAIRS], Quad *quads,
                                                  uint32_t *close) {
    __m256i added_back = _mm256_set1_epi32(resizer->columns.total_weight * 32768);
    __m256 scale = _mm256_set1_ps(resizer->scale);
    __m256 limit = _mm256_set1_ps(0.5f - resizer->margin);
    __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
    const int32_t *weights = resizer->pair_weights;
    for (int column = 0; column < resizer->size; column += 4) {
        __m256i rounded[4], is_close[4];
        UNROLLED
        for (int i = 0; i < 4; i++) {
            const __m256i *pair = &pairs[resizer->first_pair[column + i]];
            __m256i sum = added_back;
            UNROLLED
            for (int k = 0; k < pairs_per_pixel; k++) {
                __m256i weight = _mm256_set1_epi32(*weights++);
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pair[k], weight));
            }
            __m256 mean = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
            rounded[i] = _mm256_cvtps_epi32(mean);
            __m256 distance = _mm256_sub_ps(mean, _mm256_cvtepi32_ps(rounded[i]));
            distance = _mm256_and_ps(distance, magnitude);
            is_close[i] = _mm256_castps_si256(_mm256_cmp_ps(distance, limit, _CMP_GT_OQ));
        }
        __m256i left = _mm256_or_si256(rounded[0], _mm256_slli_epi32(rounded[1], 8));
        __m256i right = _mm256_or_si256(rounded[2], _mm256_slli_epi32(rounded[3], 8));
        quads[column / 4].vector = _mm256_or_si256(left, _mm256_slli_epi32(right, 16));
        left = _mm256_packs_epi32(is_close[0], is_close[1]);
        right = _mm256_packs_epi32(is_close[2], is_close[3]);
        close[column / 4] = (uint32_t)_mm256_movemask_epi8(_mm256_packs_epi16(left, right));
    }
}

/* Make eight new rows. The rows of the picture are summed up first. Then the sums are turned by a
 * quarter, so that a vector holds one pair of columns of all eight rows, and the columns are summed
 * up. Last, the new pixels are turned back. */
AVX2_FUNCTION static void avx2_block(const Resizer *resizer, const uint8_t *picture, int first_row,
                                     uint8_t out[BLOCK_ROWS][SCREEN_WIDTH]) {
    int16_t sums[BLOCK_ROWS][SCREEN_WIDTH];
    for (int i = 0; i < BLOCK_ROWS; i++) {
        avx2_sum_rows(&resizer->rows, picture, first_row + i, sums[i]);
    }
    __m256i pairs[NUM_PAIRS];
    for (int x = 0; x < NUM_PAIRS; x += 8) {
        UNROLLED
        for (int i = 0; i < 8; i++) {
            pairs[x + i] = _mm256_loadu_si256((const __m256i *)&sums[i][2 * x]);
        }
        transpose(&pairs[x]);
    }

    Quad quads[SCREEN_WIDTH / 4];
    uint32_t close[SCREEN_WIDTH / 4];
    switch (resizer->pairs_per_pixel) { /* the same thrice: a constant is faster */
    case 2: avx2_sum_columns(resizer, 2, pairs, quads, close); break;
    case 3: avx2_sum_columns(resizer, 3, pairs, quads, close); break;
    default: avx2_sum_columns(resizer, resizer->pairs_per_pixel, pairs, quads, close);
    }
    int num_quads = (resizer->size + 3) / 4;
    for (int i = 0; i < num_quads; i++) {
        uint32_t bits = close[i];
        for (int bit = 0; bits != 0; bit++, bits >>= 1) {
            int row = bit / 16 * 4 + bit % 4, column = 4 * i + bit / 4 % 4;
            if ((bits & 1) != 0 && column < resizer->size) {
                quads[i].bytes[row][column % 4] =
                    opencv_pixel(resizer, picture, first_row + row, column);
            }
        }
    }

    for (int i = 0; i < num_quads; i += 8) {
        __m256i lines[8];
        UNROLLED
        for (int k = 0; k < 8; k++) {
            lines[k] = i + k < num_quads ? quads[i + k].vector : _mm256_setzero_si256();
        }
        transpose(lines);
        UNROLLED
        for (int row = 0; row < BLOCK_ROWS; row++) {
            _mm256_storeu_si256((__m256i *)&out[row][4 * i], lines[row]);
        }
    }
}

#endif

static void make_block(const Resizer *resizer, const uint8_t *picture, int first_row, int num_rows,
                       uint8_t out[BLOCK_ROWS][SCREEN_WIDTH]) {
#if IS_X86_64
    if (!resizer->is_plain) {
        avx2_block(resizer, picture, first_row, out);
        return;
    }
#endif
    plain_block(resizer, picture, first_row, num_rows, out);
}

/* Where the block of `row` begins: the last one ends with the picture, and may overlap. */
static int block_start(const Resizer *resizer, int row) {
    return max_int(0, min_int(row, resizer->size - BLOCK_ROWS));
}

void resizer_gray(const Resizer *resizer, const uint8_t *luma, uint8_t *out) {
    uint8_t block[BLOCK_ROWS][SCREEN_WIDTH];
    int size = resizer->size, num_rows = min_int(size, BLOCK_ROWS);
    for (int row = 0; row < size; row += BLOCK_ROWS) {
        int first_row = block_start(resizer, row);
        make_block(resizer, luma, first_row, num_rows, block);
        for (int i = 0; i < num_rows; i++) {
            memcpy(out + (first_row + i) * size, block[i], (size_t)size);
        }
    }
}

void resizer_rgb(const Resizer *resizer, const uint8_t *colors, uint8_t *out) {
    uint8_t lines
        [NUM_PIXELS]; /* one channel of the lines that a block covers, at their place in the picture */
    uint8_t block[BLOCK_ROWS][SCREEN_WIDTH];
    const Axis *rows = &resizer->rows;
    int size = resizer->size, num_rows = min_int(size, BLOCK_ROWS);
    for (int row = 0; row < size; row += BLOCK_ROWS) {
        int first_row = block_start(resizer, row);
        int first_line = rows->parts[rows->first_part[first_row]].source;
        int last_line = rows->parts[rows->first_part[first_row + num_rows] - 1].source;
        int num_pixels = (last_line - first_line + 1) * SCREEN_WIDTH;
        for (int channel = 0; channel < 3; channel++) {
            expand_channel(colors + first_line * SCREEN_WIDTH, num_pixels, channel,
                           resizer->is_plain, lines + first_line * SCREEN_WIDTH);
            make_block(resizer, lines, first_row, num_rows, block);
            for (int i = 0; i < num_rows; i++) {
                uint8_t *to = out + (first_row + i) * size * 3 + channel;
                for (int x = 0; x < size; x++) {
                    to[3 * x] = block[i][x];
                }
            }
        }
    }
}
