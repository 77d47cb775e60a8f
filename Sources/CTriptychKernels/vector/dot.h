// Few rows against many weights: both operands lie along the depth, so nothing is packed and the weights are read once.
// Every (row, output) pair owns one vector accumulator that walks the depth in steps of TK_LANES, and is summed in one
// fixed tree: the shape of the tile it is computed in leaves no trace in it.

// As many accumulators as the registers hold beside the operands.
enum { DOT_OUTPUTS = 4, DOT_ROWS = TK_LANES == 16 ? 6 : 2 };

// Where few rows meet many weights, all waits for memory; bytes from the weights in use to those that are fetched.
//
// Rows of at most DOT_SHORT_ROW bytes are read one by one, as a single stream: the next row's sums do not wait for those of
// this one. From 81 % of what plain reading takes from memory to 97 % (Zen 5, two threads, bfloat16, 896 and 2,048 weights a
// row). Sums of a longer row wait for each other until it ends, and four rows side by side lose less.
enum { DOT_PREFETCH = 1024, DOT_SHORT_PREFETCH = 4096, DOT_SHORT_ROW = TK_LANES == 16 ? 4096 : 0 };

// One vector of the depth at `k`, of which `part` lanes count.
INLINE void dot_step(const float *x, size_t x_stride, int rows, int dtype, const char *w, size_t w_bytes, int outputs,
                     size_t k, size_t part, vec total[DOT_ROWS][DOT_OUTPUTS]) {
    vec weights[DOT_OUTPUTS];
#pragma clang loop unroll(full)
    for (int n = 0; n < outputs; n++)
        weights[n] = part == TK_LANES ? load_stored(dtype, w + n * w_bytes, k)
                                      : load_stored_part(dtype, w + n * w_bytes, k, part);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        const vec v = part == TK_LANES ? load(x + r * x_stride + k) : load_part(x + r * x_stride + k, part);
#pragma clang loop unroll(full)
        for (int n = 0; n < outputs; n++) total[r][n] = fma_(v, weights[n], total[r][n]);
    }
}

INLINE void dot_tile(const float *x, size_t x_stride, int rows, int dtype, const char *w, size_t w_bytes, int outputs,
                     size_t depth, float *y, size_t y_stride) {
    vec total[DOT_ROWS][DOT_OUTPUTS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int n = 0; n < outputs; n++) total[r][n] = (vec){0};
    size_t k = 0;
    for (; k + 2 * TK_LANES <= depth; k += 2 * TK_LANES) {
        if (rows == 1 && outputs == 1) {
            __builtin_prefetch(w + k * element_size(dtype) + DOT_SHORT_PREFETCH, 0, 2);
        } else if (rows <= 2) {
            // Four streams are more than the processor foresees: from 75 % of the bandwidth to 85 % (one thread).
#pragma clang loop unroll(full)
            for (int n = 0; n < outputs; n++)
                __builtin_prefetch(w + n * w_bytes + k * element_size(dtype) + DOT_PREFETCH);
        }
        dot_step(x, x_stride, rows, dtype, w, w_bytes, outputs, k, TK_LANES, total);
        dot_step(x, x_stride, rows, dtype, w, w_bytes, outputs, k + TK_LANES, TK_LANES, total);
    }
    for (; k + TK_LANES <= depth; k += TK_LANES)
        dot_step(x, x_stride, rows, dtype, w, w_bytes, outputs, k, TK_LANES, total);
    if (k < depth) dot_step(x, x_stride, rows, dtype, w, w_bytes, outputs, k, depth - k, total);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int n = 0; n < outputs; n++) y[r * y_stride + n] = sum(total[r][n]);
}

INLINE void dot_block(const float *x, size_t x_stride, size_t rows, int dtype, const char *w, size_t w_bytes,
                      int outputs, size_t depth, float *y, size_t y_stride) {
    for (; rows >= DOT_ROWS; rows -= DOT_ROWS, x += DOT_ROWS * x_stride, y += DOT_ROWS * y_stride)
        dot_tile(x, x_stride, DOT_ROWS, dtype, w, w_bytes, outputs, depth, y, y_stride);
    switch (rows) {
    case 1: dot_tile(x, x_stride, 1, dtype, w, w_bytes, outputs, depth, y, y_stride); break;
#if TK_LANES == 16
    case 2: dot_tile(x, x_stride, 2, dtype, w, w_bytes, outputs, depth, y, y_stride); break;
    case 3: dot_tile(x, x_stride, 3, dtype, w, w_bytes, outputs, depth, y, y_stride); break;
    case 4: dot_tile(x, x_stride, 4, dtype, w, w_bytes, outputs, depth, y, y_stride); break;
    case 5: dot_tile(x, x_stride, 5, dtype, w, w_bytes, outputs, depth, y, y_stride); break;
#endif
    }
}

INLINE void dot_typed(const float *x, size_t x_stride, size_t rows, int dtype, const char *w, size_t w_bytes,
                      size_t outputs, size_t depth, float *y, size_t y_stride) {
    const int is_stream = rows == 1 && w_bytes <= DOT_SHORT_ROW;
    for (; outputs >= DOT_OUTPUTS && !is_stream; outputs -= DOT_OUTPUTS, w += DOT_OUTPUTS * w_bytes, y += DOT_OUTPUTS)
        dot_block(x, x_stride, rows, dtype, w, w_bytes, DOT_OUTPUTS, depth, y, y_stride);
    for (; outputs > 0; outputs--, w += w_bytes, y++)
        dot_block(x, x_stride, rows, dtype, w, w_bytes, 1, depth, y, y_stride);
}

static void dot_rows(const float *x, size_t x_stride, size_t rows, int dtype, const void *w, size_t w_stride,
                     size_t outputs, size_t depth, float *y, size_t y_stride) {
    const size_t w_bytes = w_stride * element_size(dtype);
    switch (dtype) {
    case TK_FLOAT32: dot_typed(x, x_stride, rows, TK_FLOAT32, w, w_bytes, outputs, depth, y, y_stride); break;
    case TK_FLOAT16: dot_typed(x, x_stride, rows, TK_FLOAT16, w, w_bytes, outputs, depth, y, y_stride); break;
    case TK_BFLOAT16: dot_typed(x, x_stride, rows, TK_BFLOAT16, w, w_bytes, outputs, depth, y, y_stride); break;
    }
}
