// Norms over the last dimension, and group norm in two passes: moments of a block of positions, then scale and shift.

static void rms_norm(const float *x, const float *weight, float *y, size_t rows, size_t width, float epsilon) {
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        vec squares = {0};
        LOOP(width, {
            const vec v = load_some(x + i, part);
            squares = fma_(v, v, squares);
        });
        const float mean = sum(squares) / (float)width;
        const float inverse = 1.0f / sqrtf(mean + epsilon);
        LOOP(width, { store_some(y + i, load_some(x + i, part) * splat(inverse) * load_some(weight + i, part), part); });
    }
}

static void layer_norm(const float *x, const float *weight, const float *bias, float *y, size_t rows, size_t width,
                       float epsilon) {
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        vec total = {0};
        LOOP(width, { total = total + load_some(x + i, part); });
        const float mean = sum(total) / (float)width;
        vec squares = {0};
        LOOP(width, {
            vec d = load_some(x + i, part) - splat(mean);
            if (part < TK_LANES) {
                vec kept = {0};
                memcpy(&kept, &d, part * sizeof(float));
                d = kept;
            }
            squares = fma_(d, d, squares);
        });
        const float inverse = 1.0f / sqrtf(sum(squares) / (float)width + epsilon);
        LOOP(width, {
            vec v = (load_some(x + i, part) - splat(mean)) * splat(inverse);
            if (weight) v = v * load_some(weight + i, part);
            if (bias) v = v + load_some(bias + i, part);
            store_some(y + i, v, part);
        });
    }
}

static void group_moments(const float *x, size_t positions, size_t channels, size_t groups, double *means,
                          double *deviations, float *scratch) {
    float *channel_mean = scratch, *channel_squares = scratch + channels;
    const float share = 1.0f / (float)positions;
    LOOP(channels, {
        vec total = {0};
        for (size_t p = 0; p < positions; p++) total = total + load_some(x + p * channels + i, part);
        const vec mean = total * splat(share);
        vec squares = {0};
        for (size_t p = 0; p < positions; p++) {
            vec d = load_some(x + p * channels + i, part) - mean;
            squares = fma_(d, d, squares);
        }
        store_some(channel_mean + i, mean, part);
        store_some(channel_squares + i, squares, part);
    });
    const size_t width = channels / groups;
    for (size_t g = 0; g < groups; g++) {
        double mean = 0, deviation = 0;
        for (size_t c = g * width; c < (g + 1) * width; c++) mean += channel_mean[c];
        mean /= (double)width;
        for (size_t c = g * width; c < (g + 1) * width; c++) {
            const double d = channel_mean[c] - mean;
            deviation += channel_squares[c] + d * d * (double)positions;
        }
        means[g] = mean;
        deviations[g] = deviation;
    }
}

static void scale_shift(int activation, const float *x, size_t x_stride, const float *scale, const float *shift,
                        float *y, size_t y_stride, size_t positions, size_t channels) {
    FOR_ACTIVATION(activation, {
        for (size_t p = 0; p < positions; p++, x += x_stride, y += y_stride)
            LOOP(channels, {
                vec v = fma_(load_some(x + i, part), load_some(scale + i, part), load_some(shift + i, part));
                store_some(y + i, activation_of(kind, v), part);
            });
    });
}
