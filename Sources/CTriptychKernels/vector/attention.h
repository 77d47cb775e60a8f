// Online softmax (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022).

static void attend_row(const float *query, const float *keys, const float *values, size_t stride, size_t length,
                       size_t width, float scale, float *out) {
    float running = -INFINITY, weight_sum = 0;
    memset(out, 0, width * sizeof(float));
    for (size_t j = 0; j < length; j++) {
        vec total = {0};
        LOOP(width, { total = fma_(load_some(query + i, part), load_some(keys + j * stride + i, part), total); });
        const float score = sum(total) * scale;
        const float top = score > running ? score : running;
        const vec factors = exponential((vec){score - top, running - top});
        const float weight = factors[0], decay = factors[1];
        running = top;
        weight_sum = weight_sum * decay + weight;
        LOOP(width, {
            vec v = load_some(out + i, part) * splat(decay);
            store_some(out + i, fma_(load_some(values + j * stride + i, part), splat(weight), v), part);
        });
    }
    const float inverse = 1.0f / weight_sum;
    LOOP(width, { store_some(out + i, load_some(out + i, part) * splat(inverse), part); });
}
