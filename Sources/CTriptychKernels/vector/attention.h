// The steps of attention beside its matrix products, by online softmax (Milakov and Gimelshein, 2018; FlashAttention,
// Dao et al., 2022). With queries along the lanes, maxima, sums and decays are vectors and no lane is ever reduced.

static bool softmax_columns(float *scores, size_t keys, float scale, const int32_t *visible, float *maxima, float *sums,
                            float *decays) {
    ivec changed = {0};
    for (size_t column = 0; column < TILE_COLUMNS; column += TK_LANES) {
        ivec limit = {0};
        if (visible) memcpy(&limit, visible + column, sizeof limit);
        const vec factor = splat(scale), before = load(maxima + column);
        vec top = before;
        for (size_t key = 0; key < keys; key++) {
            float *p = scores + key * TILE_COLUMNS + column;
            vec score = load(p) * factor;
            if (visible) {
                score = select_(limit > (int32_t)key, score, splat(-INFINITY));
                store(p, score);
            }
            top = maximum(score, top);
        }
        vec total = {0};
        for (size_t key = 0; key < keys; key++) {
            float *p = scores + key * TILE_COLUMNS + column;
            const vec weight = exponential(visible ? load(p) - top : fma_(load(p), factor, -top));
            store(p, weight);
            total = total + weight;
        }
        const vec decay = exponential(before - top);
        store(decays + column, decay);
        store(maxima + column, top);
        store(sums + column, fma_(load(sums + column), decay, total));
        changed |= decay != splat(1.0f);
    }
    int32_t any = 0;
    for (int i = 0; i < TK_LANES; i++) any |= changed[i];
    return any != 0;
}

static void scale_columns(float *y, size_t rows, const float *factors) {
    const vec low = load(factors), high = load(factors + TK_LANES);
    for (size_t r = 0; r < rows; r++, y += TILE_COLUMNS) {
        store(y, load(y) * low);
        store(y + TK_LANES, load(y + TK_LANES) * high);
    }
}

static void cut_panels(const float *rows, size_t stride, size_t count, size_t width, size_t panel_width, float *panels) {
    for (size_t column = 0; column < width; column += panel_width)
        for (size_t r = 0; r < count; r++, panels += panel_width)
            for (size_t i = 0; i < panel_width; i += TK_LANES) {
                const size_t wanted = panel_width - i < TK_LANES ? panel_width - i : TK_LANES;
                const size_t first = column + i;
                const size_t present = first >= width ? 0 : width - first < wanted ? width - first : wanted;
                store_some(panels + i, load_some(rows + r * stride + first, present), wanted);
            }
}

static float softmax_row(float *x, size_t count, float scale, float *maximum_out) {
    vec tops = splat(-INFINITY);
    LOOP(count, {
        const vec v = part == TK_LANES ? load(x + i) : load_part(x + i, part);
        vec scaled = v * splat(scale);
        if (part < TK_LANES) {
            float lanes[TK_LANES];
            for (size_t lane = 0; lane < TK_LANES; lane++) lanes[lane] = lane < part ? scaled[lane] : -INFINITY;
            scaled = load(lanes);
        }
        tops = maximum(scaled, tops);
    });
    const float top = largest(tops);
    vec total = {0};
    LOOP(count, {
        vec weight = exponential(fma_(load_some(x + i, part), splat(scale), splat(-top)));
        store_some(x + i, weight, part);
        total = total + load_some(x + i, part);
    });
    *maximum_out = top;
    return sum(total);
}

enum { SUM_ROWS = TK_LANES == 16 ? 6 : 3, SUM_VECTORS = 4 };

INLINE void weighted_tile(int rows, int vectors, size_t part, const float *weights, size_t weights_stride,
                          const float *values, size_t stride, size_t depth, float *y, size_t y_stride) {
    vec total[SUM_ROWS][SUM_VECTORS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) total[r][v] = (vec){0};
    for (size_t k = 0; k < depth; k++, values += stride) {
        vec value[SUM_VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) value[v] = load_some(values + v * TK_LANES, part);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vec weight = splat(weights[r * weights_stride + k]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) total[r][v] = fma_(weight, value[v], total[r][v]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) store_some(y + r * y_stride + v * TK_LANES, total[r][v], part);
}

INLINE void weighted_columns(int rows, const float *weights, size_t weights_stride, const float *values, size_t stride,
                             size_t depth, size_t width, float *y, size_t y_stride) {
    size_t c = 0;
    for (; c + SUM_VECTORS * TK_LANES <= width; c += SUM_VECTORS * TK_LANES)
        weighted_tile(rows, SUM_VECTORS, TK_LANES, weights, weights_stride, values + c, stride, depth, y + c, y_stride);
    for (; c + TK_LANES <= width; c += TK_LANES)
        weighted_tile(rows, 1, TK_LANES, weights, weights_stride, values + c, stride, depth, y + c, y_stride);
    if (c < width)
        weighted_tile(rows, 1, width - c, weights, weights_stride, values + c, stride, depth, y + c, y_stride);
}

static void weighted_sums(const float *weights, size_t weights_stride, size_t count, const float *rows, size_t stride,
                          size_t depth, size_t width, float *y, size_t y_stride) {
    for (; count >= SUM_ROWS; count -= SUM_ROWS, weights += SUM_ROWS * weights_stride, y += SUM_ROWS * y_stride)
        weighted_columns(SUM_ROWS, weights, weights_stride, rows, stride, depth, width, y, y_stride);
    switch (count) {
    case 1: weighted_columns(1, weights, weights_stride, rows, stride, depth, width, y, y_stride); break;
    case 2: weighted_columns(2, weights, weights_stride, rows, stride, depth, width, y, y_stride); break;
#if TK_LANES == 16
    case 3: weighted_columns(3, weights, weights_stride, rows, stride, depth, width, y, y_stride); break;
    case 4: weighted_columns(4, weights, weights_stride, rows, stride, depth, width, y, y_stride); break;
    case 5: weighted_columns(5, weights, weights_stride, rows, stride, depth, width, y, y_stride); break;
#endif
    }
}
