// The transforms of Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray, 2015): 16 instead of 36 multiplications for
// 2 × 2 outputs. Positions of the 4 × 4 domain are numbered by rows.

// The one-dimensional transforms, applied to lines and then to columns.
#define WINOGRAD_INPUT(a, b, c, d, y0, y1, y2, y3) \
    y0 = a - c, y1 = b + c, y2 = c - b, y3 = b - d
#define WINOGRAD_WEIGHT(a, b, c, y0, y1, y2, y3) \
    y0 = a, y1 = half * ((a + c) + b), y2 = half * ((a + c) - b), y3 = c
#define WINOGRAD_OUTPUT(a, b, c, d, y0, y1) y0 = (a + b) + c, y1 = (b - c) - d

INLINE void winograd_input_step(const float *const pixels[16], const size_t reach[16], size_t k, size_t part, float *y,
                                size_t stride) {
    vec t[4][4];
#pragma clang loop unroll(full)
    for (int x = 0; x < 4; x++) {
        vec d[4];
#pragma clang loop unroll(full)
        for (int line = 0; line < 4; line++)
            d[line] = load_some(pixels[4 * line + x] + (k & reach[4 * line + x]), part);
        WINOGRAD_INPUT(d[0], d[1], d[2], d[3], t[0][x], t[1][x], t[2][x], t[3][x]);
    }
#pragma clang loop unroll(full)
    for (int line = 0; line < 4; line++) {
        vec v[4];
        WINOGRAD_INPUT(t[line][0], t[line][1], t[line][2], t[line][3], v[0], v[1], v[2], v[3]);
#pragma clang loop unroll(full)
        for (int x = 0; x < 4; x++) store_some(y + (4 * line + x) * stride + k, v[x], part);
    }
}

static void winograd_input(const float *const *pixels, size_t channels, float *y, size_t stride) {
    static const float zeros[TK_LANES] = {0};
    const float *from[16];
    size_t reach[16];
    for (int i = 0; i < 16; i++) {
        from[i] = pixels[i] ? pixels[i] : zeros;
        reach[i] = pixels[i] ? SIZE_MAX : 0;
    }
    LOOP(channels, { winograd_input_step(from, reach, i, part, y, stride); });
}

static void winograd_weights(const float *taps, size_t tap_stride, size_t channels, float *y) {
    const vec half = splat(0.5f);
    const size_t position = channels * TILE_COLUMNS;
    for (size_t i = 0; i < channels * TILE_COLUMNS; i += TK_LANES) {
        vec t[4][3];
#pragma clang loop unroll(full)
        for (int x = 0; x < 3; x++) {
            const vec a = load(taps + x * tap_stride + i), b = load(taps + (3 + x) * tap_stride + i);
            const vec c = load(taps + (6 + x) * tap_stride + i);
            WINOGRAD_WEIGHT(a, b, c, t[0][x], t[1][x], t[2][x], t[3][x]);
        }
#pragma clang loop unroll(full)
        for (int line = 0; line < 4; line++) {
            vec u[4];
            WINOGRAD_WEIGHT(t[line][0], t[line][1], t[line][2], u[0], u[1], u[2], u[3]);
#pragma clang loop unroll(full)
            for (int x = 0; x < 4; x++) store(y + (4 * line + x) * position + i, u[x]);
        }
    }
}

INLINE void winograd_output_step(const float *products, size_t stride, size_t i, size_t part, float *const *pixels) {
    vec t[2][4];
#pragma clang loop unroll(full)
    for (int x = 0; x < 4; x++) {
        vec m[4];
#pragma clang loop unroll(full)
        for (int line = 0; line < 4; line++) m[line] = load(products + (4 * line + x) * stride + i);
        WINOGRAD_OUTPUT(m[0], m[1], m[2], m[3], t[0][x], t[1][x]);
    }
#pragma clang loop unroll(full)
    for (int line = 0; line < 2; line++) {
        vec v[2];
        WINOGRAD_OUTPUT(t[line][0], t[line][1], t[line][2], t[line][3], v[0], v[1]);
        if (pixels[2 * line]) store_some(pixels[2 * line] + i, v[0], part);
        if (pixels[2 * line + 1]) store_some(pixels[2 * line + 1] + i, v[1], part);
    }
}

static void winograd_output(const float *products, size_t stride, size_t columns, float *const *pixels) {
    LOOP(columns, { winograd_output_step(products, stride, i, part, pixels); });
}
