// Element loops and matrix tiles of Triptych's tensors, in plain C.
//
// Every kernel exists once as source (the vector/ headers) and is compiled for three instruction sets; a table of
// function pointers holds each variant. All arrays are dense float32 unless a dtype says otherwise, and need no alignment.
// One element's arithmetic never depends on where it lies in a vector: tails run through the same vector code,
// padded, so that results do not change with batch or neighbours.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Dtypes in which weights are stored.
enum { TK_FLOAT32 = 0, TK_FLOAT16 = 1, TK_BFLOAT16 = 2 };

/// Activation functions.
enum { TK_IDENTITY = 0, TK_SILU = 1, TK_GELU = 2, TK_GELU_TANH = 3, TK_RELU = 4, TK_QUICK_GELU = 5 };

/// Instruction sets, weakest first.
enum { TK_ISA_BASELINE = 0, TK_ISA_AVX2 = 1, TK_ISA_AVX512 = 2 };

/// Immutable tables, hence safe to share.
typedef struct __attribute__((swift_attr("@Sendable"))) tk_kernels {
    const char *name;

    /// y[i] = x[i], widened to float32.
    void (*widen)(int dtype, const void *x, float *y, size_t count);

    /// y[i] = f(x[i]); x may be y.
    void (*activate)(int activation, const float *x, float *y, size_t count);
    /// y[i] = f(gate[i]) * x[i].
    void (*gate)(int activation, const float *gate, const float *x, float *y, size_t count);
    /// y[i] = a[i] + b[i].
    void (*add)(const float *a, const float *b, float *y, size_t count);
    /// y[i] += scale * x[i].
    void (*add_scaled)(const float *x, float scale, float *y, size_t count);
    /// y[i] = scale * x[i].
    void (*scale)(const float *x, float scale, float *y, size_t count);

    /// y = x * rsqrt(mean(x^2) + epsilon) * weight, for each row of `width`; x may be y.
    void (*rms_norm)(const float *x, const float *weight, float *y, size_t rows, size_t width, float epsilon);
    /// y = (x - mean) * rsqrt(variance + epsilon) * weight + bias, for each row of `width`.
    void (*layer_norm)(const float *x, const float *_Nullable weight, const float *_Nullable bias, float *y,
                       size_t rows, size_t width, float epsilon);
    /// Mean and sum of squared deviations of every group of channels over `positions` × (channels / groups) values.
    /// `scratch` holds 2 × channels floats.
    void (*group_moments)(const float *x, size_t positions, size_t channels, size_t groups, double *means,
                          double *deviations, float *scratch);
    /// y[p][c] = f(x[p][c] * scale[c] + shift[c]), positions `x_stride` and `y_stride` floats apart; x may be y.
    void (*scale_shift)(int activation, const float *x, size_t x_stride, const float *scale, const float *shift,
                        float *y, size_t y_stride, size_t positions, size_t channels);

    /// Rotary embedding of one row of heads × width in the half-split layout; cosines and sines hold width / 2 values.
    void (*rotate)(const float *x, const float *cosines, const float *sines, float *y, size_t heads, size_t width);

    /// y[r][n] = sum over k of x[r][k] * w[n][k], for `rows` rows of x and `outputs` rows of w: the weights are read
    /// once, in their dtype. x rows are `x_stride` floats apart, w rows `w_stride` elements, y rows `y_stride` floats.
    /// Each element is the same chain of multiply-adds whatever `rows` and `outputs` are.
    void (*dot_rows)(const float *x, size_t x_stride, size_t rows, int dtype, const void *w, size_t w_stride,
                     size_t outputs, size_t depth, float *y, size_t y_stride);
    /// y[r][n] = f(y[r][n] + bias[n]) + residual[r][n].
    void (*finish_rows)(int activation, const float *_Nullable bias, const float *_Nullable residual,
                        size_t residual_stride, float *y, size_t y_stride, size_t rows, size_t columns);

    /// Rows and columns of the matrix tile.
    size_t tile_rows, tile_columns;
    /// panel[k * stride + r] = rows[r][k], widened: the operand layouts of `multiply_panels`. A NULL row is all zeros.
    void (*pack)(int dtype, const void *_Nullable const *_Nonnull rows, size_t count, size_t depth,
                 float *panel, size_t stride);
    /// c[r][n] (+)= sum over k of a[k][r] * b[k][n], for r < rows in panels of `panel_rows` ≤ tile_rows, each
    /// `panel_stride` floats behind the one before, and n < columns ≤ tile_columns. b's rows hold tile_columns values,
    /// c's at least `columns`; strides count floats. An element is one chain of multiply-adds in the order of k.
    void (*multiply_panels)(const float *a, size_t panel_rows, size_t panel_stride, size_t a_stride, const float *b,
                            size_t b_stride, size_t depth, float *c, size_t c_stride, size_t rows, size_t columns,
                            bool accumulate);

    /// Winograd's F(2×2, 3×3), the transform of one input tile: pixels[16] point to 4 × 4 pixels (NULL: zeros) of
    /// `channels` values; value c of position p goes to y[p * stride + c].
    void (*winograd_input)(const float *_Nullable const *_Nonnull pixels, size_t channels, float *y, size_t stride);
    /// The transform of weights taps[9][channels][tile_columns], the taps `tap_stride` floats apart, into
    /// y[16][channels][tile_columns].
    void (*winograd_weights)(const float *taps, size_t tap_stride, size_t channels, float *y);
    /// The transform of one tile's products, positions `stride` floats apart and tile_columns values each, into the
    /// first `columns` values of 2 × 2 output pixels; pixels[4] are NULL where the tile ends beyond the image.
    void (*winograd_output)(const float *products, size_t stride, size_t columns,
                            float *_Nullable const *_Nonnull pixels);

    /// One output pixel of a depthwise convolution: y[c] = bias[c] + sum over t of pixels[t][c] * weights[t][c], in the
    /// order of t, for the `taps` that lie inside the image.
    void (*depthwise)(const float *_Nonnull const *_Nonnull pixels, const float *_Nonnull const *_Nonnull weights,
                      size_t taps, const float *_Nullable bias, float *y, size_t channels);

    /// One block of attention scores for tile_columns queries, scores[key][query], by online softmax: they become
    /// e^(scale × score − maximum) with the running `maxima` and `sums` of each query brought up to date, and
    /// decays[query] is what earlier sums are to be multiplied with. Query q sees the first visible[q] keys only;
    /// NULL: all. Returns whether any decay differs from 1.
    bool (*softmax_columns)(float *scores, size_t keys, float scale, const int32_t *_Nullable visible, float *maxima,
                            float *sums, float *decays);
    /// y[r][c] *= factors[c], for tile_columns columns.
    void (*scale_columns)(float *y, size_t rows, const float *factors);
    /// panels[p][r][c] = rows[r][p * panel_width + c]: rows cut into panels, with zeros behind the last column.
    void (*cut_panels)(const float *rows, size_t stride, size_t count, size_t width, size_t panel_width, float *panels);
    /// x[i] = e^(scale × x[i] − *maximum) with *maximum = max over scale × x[i]; returns their sum.
    float (*softmax_row)(float *x, size_t count, float scale, float *maximum);
    /// y[r][c] = sum over k of weights[r][k] * rows[k][c]: the rows are read once for a few r.
    void (*weighted_sums)(const float *weights, size_t weights_stride, size_t count, const float *rows, size_t stride,
                          size_t depth, size_t width, float *y, size_t y_stride);

    /// For benchmarks: multiplies and adds `lanes` × 12 values `rounds` times in registers, in independent chains.
    float (*multiply_adds)(size_t rounds);
    /// For benchmarks: reads `count` values, a multiple of 8 × lanes, as fast as memory gives them.
    float (*read_all)(const float *x, size_t count);
    /// Floats of one vector.
    size_t lanes;
} tk_kernels;

/// The kernels of one instruction set, or NULL where this processor, its operating system or this build lacks it.
const tk_kernels *_Nullable tk_kernels_for(int isa);

/// Tells the processor that this thread waits in a loop.
static inline void tk_spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#pragma clang assume_nonnull end
