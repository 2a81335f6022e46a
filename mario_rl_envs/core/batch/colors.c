/* From the console's color numbers to RGB: see colors.h. */
#include "batch/colors.h"

#include "machine/avx2.h"

static void plain_lookup(const uint8_t *colors, int num_pixels, int channel, uint8_t *out) {
    for (int i = 0; i < num_pixels; i++) {
        out[i] = PALETTE[colors[i] % NUM_COLORS][channel];
    }
}

void expand_rgb_plain(const uint8_t *colors, uint8_t *out) {
    for (int i = 0; i < NUM_PIXELS; i++) {
        const uint8_t *rgb = PALETTE[colors[i] % NUM_COLORS];
        out[3 * i] = rgb[0];
        out[3 * i + 1] = rgb[1];
        out[3 * i + 2] = rgb[2];
    }
}

#if IS_X86_64

/* One channel of the palette as four tables of 16 colors, each but the first as the bits in which
 * it differs from the one before: looking up 16 to 31 in both gives the second, and so on. */
typedef struct {
    __m256i tables[4];
} ChannelTables;

AVX2_FUNCTION static inline ChannelTables make_channel_tables(int channel) {
    uint8_t bytes[4][16];
    for (int i = 0; i < NUM_COLORS; i++) {
        uint8_t before = i < 16 ? 0 : PALETTE[i - 16][channel];
        bytes[i / 16][i % 16] = PALETTE[i][channel] ^ before;
    }
    ChannelTables made;
    for (int i = 0; i < 4; i++) {
        made.tables[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes[i]));
    }
    return made;
}

/* The shuffle takes the low four bits of an index, and gives 0 for a negative one. */
AVX2_FUNCTION static inline __m256i look_up(const ChannelTables *channel, __m256i colors) {
    __m256i found = _mm256_setzero_si256();
    UNROLLED
    for (int i = 0; i < 4; i++) {
        __m256i index = _mm256_sub_epi8(colors, _mm256_set1_epi8((char)(16 * i)));
        found = _mm256_xor_si256(found, _mm256_shuffle_epi8(channel->tables[i], index));
    }
    return found;
}

AVX2_FUNCTION static inline __m256i load_colors(const uint8_t *colors) {
    __m256i loaded = _mm256_loadu_si256((const __m256i *)colors);
    return _mm256_and_si256(loaded, _mm256_set1_epi8(NUM_COLORS - 1));
}

AVX2_FUNCTION static void avx2_lookup(const uint8_t *colors, int num_pixels, int channel,
                                      uint8_t *out) {
    ChannelTables tables = make_channel_tables(channel);
    for (int i = 0; i < num_pixels; i += 32) {
        __m256i found = look_up(&tables, load_colors(colors + i));
        _mm256_storeu_si256((__m256i *)(out + i), found);
    }
}

AVX2_FUNCTION static void avx2_expand_rgb(const uint8_t *colors, uint8_t *out) {
    /* Where the bytes of one channel go, in the first, second and third 16 bytes of 16 pixels; -1
     * leaves a 0. */
    uint8_t places[3][3][16];
    ChannelTables tables[3];
    __m256i spread[3][3];
    for (int channel = 0; channel < 3; channel++) {
        tables[channel] = make_channel_tables(channel);
        for (int i = 0; i < 48; i++) {
            places[channel][i / 16][i % 16] = (uint8_t)(i % 3 == channel ? i / 3 : 0xFF);
        }
        for (int third = 0; third < 3; third++) {
            const __m128i *place = (const __m128i *)places[channel][third];
            spread[channel][third] = _mm256_broadcastsi128_si256(_mm_loadu_si128(place));
        }
    }
    for (int i = 0; i < NUM_PIXELS; i += 32) {
        __m256i loaded = load_colors(colors + i);
        __m256i thirds[3]; /* of the first 16 pixels in the low half, of the others in the high */
        for (int third = 0; third < 3; third++) {
            thirds[third] = _mm256_setzero_si256();
        }
        for (int channel = 0; channel < 3; channel++) {
            __m256i found = look_up(&tables[channel], loaded);
            for (int third = 0; third < 3; third++) {
                __m256i placed = _mm256_shuffle_epi8(found, spread[channel][third]);
                thirds[third] = _mm256_or_si256(thirds[third], placed);
            }
        }
        __m256i *to = (__m256i *)(out + 3 * i);
        _mm256_storeu_si256(to, _mm256_permute2x128_si256(thirds[0], thirds[1], 0x20));
        _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(thirds[2], thirds[0], 0x30));
        _mm256_storeu_si256(to + 2, _mm256_permute2x128_si256(thirds[1], thirds[2], 0x31));
    }
}

#endif

void expand_channel(const uint8_t *colors, int num_pixels, int channel, bool is_plain,
                    uint8_t *out) {
#if IS_X86_64
    if (!is_plain) {
        avx2_lookup(colors, num_pixels, channel, out);
        return;
    }
#else
    (void)is_plain; /* all are plain */
#endif
    plain_lookup(colors, num_pixels, channel, out);
}

void expand_rgb(const uint8_t *colors, uint8_t *out) {
#if IS_X86_64
    if (has_avx2()) {
        avx2_expand_rgb(colors, out);
        return;
    }
#endif
    expand_rgb_plain(colors, out);
}
