// The matrix tile that convolutions, large linear layers and attention are made of:
// c[r][n] (+)= sum over k of a[k][r] * b[k][n], for up to TILE_ROWS rows and two vectors of columns.
//
// Every element is one chain of multiply-adds in the order of k, continued from c when `accumulate` is set: neither the
// tile's height nor its place changes a result.

#define TILE_COLUMNS (2 * TK_LANES)

INLINE void tile(int rows, const float *a, size_t a_stride, const float *b, size_t b_stride, size_t depth, float *c,
                 size_t c_stride, bool accumulate) {
    vec total[TILE_ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        total[r][0] = accumulate ? load(c + r * c_stride) : (vec){0};
        total[r][1] = accumulate ? load(c + r * c_stride + TK_LANES) : (vec){0};
    }
#pragma clang loop unroll(disable)
    for (size_t k = 0; k < depth; k++, a += a_stride, b += b_stride) {
        const vec b0 = load(b), b1 = load(b + TK_LANES);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vec v = splat(a[r]);
            total[r][0] = fma_(v, b0, total[r][0]);
            total[r][1] = fma_(v, b1, total[r][1]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        store(c + r * c_stride, total[r][0]);
        store(c + r * c_stride + TK_LANES, total[r][1]);
    }
}

#define TILE_CASE(n) \
    case n: tile(n, a, a_stride, b, b_stride, depth, c, c_stride, accumulate); break;

static void tile_of(size_t rows, const float *a, size_t a_stride, const float *b, size_t b_stride, size_t depth,
                    float *c, size_t c_stride, bool accumulate) {
    switch (rows) {
        TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6)
#if TILE_ROWS > 6
        TILE_CASE(7) TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12)
#endif
    }
}

// Where c has fewer columns than a tile, or lies between foreign values, the tile is computed beside it.
static void tile_within(size_t rows, const float *a, size_t a_stride, const float *b, size_t b_stride, size_t depth,
                        float *c, size_t c_stride, size_t columns, bool accumulate) {
    float beside[TILE_ROWS * TILE_COLUMNS] = {0};
    if (accumulate)
        for (size_t r = 0; r < rows; r++)
            memcpy(beside + r * TILE_COLUMNS, c + r * c_stride, columns * sizeof(float));
    tile_of(rows, a, a_stride, b, b_stride, depth, beside, TILE_COLUMNS, accumulate);
    for (size_t r = 0; r < rows; r++)
        memcpy(c + r * c_stride, beside + r * TILE_COLUMNS, columns * sizeof(float));
}

static void multiply_panels(const float *a, size_t panel_rows, size_t panel_stride, size_t a_stride, const float *b,
                            size_t b_stride, size_t depth, float *c, size_t c_stride, size_t rows, size_t columns,
                            bool accumulate) {
    for (size_t r = 0; r < rows; r += panel_rows, a += panel_stride, c += panel_rows * c_stride) {
        const size_t height = rows - r < panel_rows ? rows - r : panel_rows;
        if (columns >= TILE_COLUMNS)
            tile_of(height, a, a_stride, b, b_stride, depth, c, c_stride, accumulate);
        else
            tile_within(height, a, a_stride, b, b_stride, depth, c, c_stride, columns, accumulate);
    }
}

// panel[k * stride + r] = rows[r][k]. The lanes behind a group's last row spill into the next k, where they are
// overwritten: groups go from the last to the first for that. Nothing spills out of the panel.
INLINE void pack_typed(int dtype, const void *const *rows, size_t count, size_t depth, float *panel, size_t stride) {
    for (size_t first = (count - 1) / TK_LANES * TK_LANES;; first -= TK_LANES) {
        const size_t height = count - first < TK_LANES ? count - first : TK_LANES;
        for (size_t k = 0; k < depth; k += TK_LANES) {
            const size_t width = depth - k < TK_LANES ? depth - k : TK_LANES;
            vec block[TK_LANES];
            const void *const *const group = rows + first;
            if (width == TK_LANES && height == TK_LANES) {
#pragma clang loop unroll(full)
                for (size_t r = 0; r < TK_LANES; r++)
                    block[r] = group[r] ? load_stored(dtype, group[r], k) : (vec){0};
            } else {
                for (size_t r = 0; r < TK_LANES; r++)
                    block[r] = r >= height || !group[r] ? (vec){0}
                               : width == TK_LANES      ? load_stored(dtype, group[r], k)
                                                        : load_stored_part(dtype, group[r], k, width);
            }
            transpose(block);
            float *out = panel + k * stride + first;
            if (k + 2 * TK_LANES <= depth || (width == TK_LANES && height == TK_LANES)) {
#pragma clang loop unroll(full)
                for (size_t i = 0; i < TK_LANES; i++) store(out + i * stride, block[i]);
            } else {
                for (size_t i = 0; i < width; i++) store_part(out + i * stride, block[i], height);
            }
        }
        if (first == 0) break;
    }
}

static void pack(int dtype, const void *const *rows, size_t count, size_t depth, float *panel, size_t stride) {
    switch (dtype) {
    case TK_FLOAT32: pack_typed(TK_FLOAT32, rows, count, depth, panel, stride); break;
    case TK_FLOAT16: pack_typed(TK_FLOAT16, rows, count, depth, panel, stride); break;
    case TK_BFLOAT16: pack_typed(TK_BFLOAT16, rows, count, depth, panel, stride); break;
    }
}
