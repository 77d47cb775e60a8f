// Loops over single elements. LOOP runs `body` for whole vectors and once more for a padded tail.

#define LOOP(count, body)                                          \
    do {                                                           \
        size_t i = 0;                                              \
        for (; i + TK_LANES <= (count); i += TK_LANES) {           \
            const size_t part = TK_LANES;                          \
            body                                                   \
        }                                                          \
        if (i < (count)) {                                         \
            const size_t part = (count) - i;                       \
            body                                                   \
        }                                                          \
    } while (0)

INLINE vec load_some(const float *p, size_t part) { return part == TK_LANES ? load(p) : load_part(p, part); }
INLINE void store_some(float *p, vec v, size_t part) {
    if (part == TK_LANES) store(p, v);
    else store_part(p, v, part);
}

static void widen(int dtype, const void *x, float *y, size_t count) {
    LOOP(count, {
        vec v = part == TK_LANES ? load_stored(dtype, x, i) : load_stored_part(dtype, x, i, part);
        store_some(y + i, v, part);
    });
}

// The activation is a constant in each branch, so that the switch inside `activation_of` leaves the loop.
#define FOR_ACTIVATION(activation, statement)                                   \
    switch (activation) {                                                       \
    case TK_SILU: { enum { kind = TK_SILU }; statement; } break;                \
    case TK_GELU: { enum { kind = TK_GELU }; statement; } break;                \
    case TK_GELU_TANH: { enum { kind = TK_GELU_TANH }; statement; } break;      \
    case TK_RELU: { enum { kind = TK_RELU }; statement; } break;                \
    case TK_QUICK_GELU: { enum { kind = TK_QUICK_GELU }; statement; } break;    \
    default: { enum { kind = TK_IDENTITY }; statement; } break;                 \
    }

static void activate(int activation, const float *x, float *y, size_t count) {
    FOR_ACTIVATION(activation, LOOP(count, { store_some(y + i, activation_of(kind, load_some(x + i, part)), part); }));
}

static void gate(int activation, const float *gate, const float *x, float *y, size_t count) {
    FOR_ACTIVATION(activation, LOOP(count, {
        store_some(y + i, activation_of(kind, load_some(gate + i, part)) * load_some(x + i, part), part);
    }));
}

static void add(const float *a, const float *b, float *y, size_t count) {
    LOOP(count, { store_some(y + i, load_some(a + i, part) + load_some(b + i, part), part); });
}

static void add_scaled(const float *x, float scale, float *y, size_t count) {
    LOOP(count, { store_some(y + i, fma_(load_some(x + i, part), splat(scale), load_some(y + i, part)), part); });
}

static void scale(const float *x, float scale, float *y, size_t count) {
    LOOP(count, { store_some(y + i, load_some(x + i, part) * splat(scale), part); });
}

static void rotate(const float *x, const float *cosines, const float *sines, float *y, size_t heads, size_t width) {
    const size_t half = width / 2;
    for (size_t head = 0; head < heads; head++, x += width, y += width)
        LOOP(half, {
            vec c = load_some(cosines + i, part);
            vec s = load_some(sines + i, part);
            vec a = load_some(x + i, part);
            vec b = load_some(x + half + i, part);
            store_some(y + i, fma_(a, c, -(b * s)), part);
            store_some(y + half + i, fma_(b, c, a * s), part);
        });
}

INLINE void finish_row(int activation, const float *bias, const float *residual, float *y, size_t columns) {
    LOOP(columns, {
        vec v = load_some(y + i, part);
        if (bias) v = v + load_some(bias + i, part);
        v = activation_of(activation, v);
        if (residual) v = v + load_some(residual + i, part);
        store_some(y + i, v, part);
    });
}

static void finish_rows(int activation, const float *bias, const float *residual, size_t residual_stride, float *y,
                        size_t y_stride, size_t rows, size_t columns) {
    if (activation == TK_IDENTITY && !bias && !residual) return;
    FOR_ACTIVATION(activation, {
        for (size_t r = 0; r < rows; r++)
            finish_row(kind, bias, residual ? residual + r * residual_stride : NULL, y + r * y_stride, columns);
    });
}
