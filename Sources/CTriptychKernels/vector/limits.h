// What the processor can do at best: the scale that benchmarks are drawn on.

// Four cycles of latency times two units need eight chains; twelve leave room for scheduling.
enum { LIMIT_CHAINS = 12 };

static float multiply_adds(size_t rounds) {
    vec total[LIMIT_CHAINS];
#pragma clang loop unroll(full)
    for (int i = 0; i < LIMIT_CHAINS; i++) total[i] = splat((float)i);
    const vec factor = splat(0.999f), term = splat(1e-3f);
    for (size_t round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < LIMIT_CHAINS; i++) total[i] = fma_(total[i], factor, term);
    }
    vec all = {0};
    for (int i = 0; i < LIMIT_CHAINS; i++) all = all + total[i];
    return sum(all);
}

static float read_all(const float *x, size_t count) {
    vec total[8] = {{0}};
    for (; count >= 8 * TK_LANES; count -= 8 * TK_LANES, x += 8 * TK_LANES) {
#pragma clang loop unroll(full)
        for (int i = 0; i < 8; i++) total[i] = total[i] + load(x + i * TK_LANES);
    }
    vec all = {0};
    for (int i = 0; i < 8; i++) all = all + total[i];
    return sum(all);
}
