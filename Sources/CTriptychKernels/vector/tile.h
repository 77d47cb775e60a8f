// The matrix tile that convolutions, large linear layers and attention are made of:
// c[r][n] (+)= sum over k of a[k][r] * b[k][n], for up to TILE_ROWS rows and two vectors of columns.
//
// Every element is one chain of multiply-adds in the order of k, continued from c when `accumulate` is set: neither the
// tile's height nor its place changes a result.

#define TILE_COLUMNS (2 * TK_LANES)

INLINE void tile(int rows, int vectors, const float *a, size_t a_stride, const float *b, size_t b_stride, size_t depth,
                 float *c, size_t c_stride, bool accumulate) {
    vec total[TILE_ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++)
            total[r][v] = accumulate ? load(c + r * c_stride + v * TK_LANES) : (vec){0};
#pragma clang loop unroll(disable)
    for (size_t k = 0; k < depth; k++, a += a_stride, b += b_stride) {
        vec columns[2];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) columns[v] = load(b + v * TK_LANES);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vec row = splat(a[r]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) total[r][v] = fma_(row, columns[v], total[r][v]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) store(c + r * c_stride + v * TK_LANES, total[r][v]);
}

#define TILE_CASE(n) \
    case n: tile(n, vectors, a, a_stride, b, b_stride, depth, c, c_stride, accumulate); break;

INLINE void tile_of(size_t rows, int vectors, const float *a, size_t a_stride, const float *b, size_t b_stride,
                    size_t depth, float *c, size_t c_stride, bool accumulate) {
    switch (rows) {
        TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6)
#if TILE_ROWS > 6
        TILE_CASE(7) TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12)
#endif
    }
}

static void tile_whole(size_t rows, const float *a, size_t a_stride, const float *b, size_t b_stride, size_t depth,
                       float *c, size_t c_stride, bool accumulate) {
    tile_of(rows, 2, a, a_stride, b, b_stride, depth, c, c_stride, accumulate);
}

// Where c has fewer columns than a tile, the tile is computed beside it.
static void tile_within(size_t rows, const float *a, size_t a_stride, const float *b, size_t b_stride, size_t depth,
                        float *c, size_t c_stride, size_t columns, bool accumulate) {
    float beside[TILE_ROWS * TILE_COLUMNS] = {0};
    if (accumulate)
        for (size_t r = 0; r < rows; r++)
            memcpy(beside + r * TILE_COLUMNS, c + r * c_stride, columns * sizeof(float));
    if (columns <= TK_LANES) tile_of(rows, 1, a, a_stride, b, b_stride, depth, beside, TILE_COLUMNS, accumulate);
    else tile_whole(rows, a, a_stride, b, b_stride, depth, beside, TILE_COLUMNS, accumulate);
    for (size_t r = 0; r < rows; r++)
        memcpy(c + r * c_stride, beside + r * TILE_COLUMNS, columns * sizeof(float));
}

static void multiply_panels(const float *a, size_t panel_rows, size_t panel_stride, size_t a_stride, const float *b,
                            size_t b_stride, size_t depth, float *c, size_t c_stride, size_t rows, size_t columns,
                            bool accumulate) {
    for (size_t r = 0; r < rows; r += panel_rows, a += panel_stride, c += panel_rows * c_stride) {
        const size_t height = rows - r < panel_rows ? rows - r : panel_rows;
        if (columns >= TILE_COLUMNS)
            tile_whole(height, a, a_stride, b, b_stride, depth, c, c_stride, accumulate);
        else
            tile_within(height, a, a_stride, b, b_stride, depth, c, c_stride, columns, accumulate);
    }
}

// Transposes rows[r][k ..< k + width] into out[i * stride + r]. `exact` stores only `height` lanes.
INLINE void pack_block(int dtype, const void *const rows[TK_LANES], const size_t reach[TK_LANES], size_t k,
                       size_t width, size_t height, bool exact, float *out, size_t stride) {
    vec block[TK_LANES];
#pragma clang loop unroll(full)
    for (size_t r = 0; r < TK_LANES; r++)
        block[r] = width == TK_LANES ? load_stored(dtype, rows[r], k & reach[r])
                                     : load_stored_part(dtype, rows[r], k & reach[r], width);
    transpose(block);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < TK_LANES; i++) {
        if (i < width) {
            if (exact) store_part(out + i * stride, block[i], height);
            else store(out + i * stride, block[i]);
        }
    }
}

// panel[k * stride + r] = rows[r][k]. The lanes behind a group's last row spill into the next k, where they are
// overwritten: groups go from the last to the first for that. Nothing spills out of the panel.
INLINE void pack_typed(int dtype, const void *const *rows, size_t count, size_t depth, float *panel, size_t stride) {
    static const float zeros[TK_LANES] = {0};
    for (size_t first = (count - 1) / TK_LANES * TK_LANES;; first -= TK_LANES) {
        const size_t height = count - first < TK_LANES ? count - first : TK_LANES;
        const void *group[TK_LANES];
        size_t reach[TK_LANES];  // all bits where the row advances with k, none where it stays on the zeros
        for (size_t r = 0; r < TK_LANES; r++) {
            const bool present = r < height && rows[first + r];
            group[r] = present ? rows[first + r] : zeros;
            reach[r] = present ? SIZE_MAX : 0;
        }
        size_t k = 0;
        float *out = panel + first;
        for (; k + 2 * TK_LANES <= depth; k += TK_LANES, out += TK_LANES * stride)
            pack_block(dtype, group, reach, k, TK_LANES, height, false, out, stride);
        for (; k < depth; k += TK_LANES, out += TK_LANES * stride) {
            if (depth - k < TK_LANES) pack_block(dtype, group, reach, k, depth - k, height, true, out, stride);
            else if (height < TK_LANES) pack_block(dtype, group, reach, k, TK_LANES, height, true, out, stride);
            else pack_block(dtype, group, reach, k, TK_LANES, height, false, out, stride);
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
