// Depthwise convolution. Channels lie along the lanes and never meet, so that a tap is one multiply-add a channel.

// Vectors of channels that go through the taps together: one load of a tap's two addresses serves all of them.
enum { DEPTHWISE_VECTORS = 4 };

INLINE void depthwise_step(const float *const *pixels, const float *const *weights, size_t taps, const float *bias,
                           float *y, size_t i, int vectors, size_t part) {
    vec total[DEPTHWISE_VECTORS];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) total[v] = bias ? load_some(bias + i + v * TK_LANES, part) : (vec){0};
    for (size_t t = 0; t < taps; t++) {
        const float *pixel = pixels[t] + i, *weight = weights[t] + i;
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++)
            total[v] = fma_(load_some(pixel + v * TK_LANES, part), load_some(weight + v * TK_LANES, part), total[v]);
    }
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) store_some(y + i + v * TK_LANES, total[v], part);
}

static void depthwise(const float *const *pixels, const float *const *weights, size_t taps, const float *bias, float *y,
                      size_t channels) {
    size_t i = 0;
    for (; i + DEPTHWISE_VECTORS * TK_LANES <= channels; i += DEPTHWISE_VECTORS * TK_LANES)
        depthwise_step(pixels, weights, taps, bias, y, i, DEPTHWISE_VECTORS, TK_LANES);
    for (; i + TK_LANES <= channels; i += TK_LANES)
        depthwise_step(pixels, weights, taps, bias, y, i, 1, TK_LANES);
    if (i < channels) depthwise_step(pixels, weights, taps, bias, y, i, 1, channels - i);
}
