// exp and the activation functions.

// e^x to about 1 ulp: x = n ln 2 + r, e^r as 1 + r + r^2 p(r) with p fitted at Chebyshev nodes (relative error 2e-10).
// Overflows to infinity, underflows through subnormals to zero, keeps NaN.
INLINE vec exponential(vec x) {
    x = minimum(splat(89.0f), maximum(splat(-104.0f), x));
    const vec shifter = splat(0x1.8p23f);  // adding it rounds to an integer in the low bits
    vec shifted = fma_(x, splat(0x1.715476p+0f), shifter);
    vec n = shifted - shifter;
    vec r = fma_(n, splat(-0x1.62e400p-1f), x);  // ln 2 in two parts, the first exact in products with n
    r = fma_(n, splat(-0x1.7f7d1cp-20f), r);
    vec p = splat(1.9900444e-4f);
    p = fma_(p, r, splat(1.3934545e-3f));
    p = fma_(p, r, splat(8.3332974e-3f));
    p = fma_(p, r, splat(4.1666455e-2f));
    p = fma_(p, r, splat(1.6666667e-1f));
    p = fma_(p, r, splat(0.5f));
    vec y = fma_(p, r * r, r) + splat(1.0f);
    // 2^n in two factors, because n reaches -150 and 128.
    ivec exponent = (ivec)shifted - (ivec)shifter, half = exponent >> 1;
    vec low = (vec)((half + 127) << 23), high = (vec)((exponent - half + 127) << 23);
    return y * low * high;
}

// x Φ(x), Φ the normal distribution function, by erfc(z) = e^(-z²) erfcx(z); (1 + 2z) erfcx(z) is smooth in
// t = (z - 2) / (z + 2), fitted there by a polynomial of degree 9 (relative error 2e-8).
INLINE vec gaussian_error_linear(vec x) {
    vec z = (vec)((ivec)x & 0x7fffffff) * splat(0x1.6a09e6p-1f);
    z = minimum(splat(10.0f), z);
    vec t = (z - splat(2.0f)) / (z + splat(2.0f));
    vec p = splat(-4.0945117e-4f);
    p = fma_(p, t, splat(-1.2413372e-3f));
    p = fma_(p, t, splat(1.3204857e-3f));
    p = fma_(p, t, splat(8.6426362e-3f));
    p = fma_(p, t, splat(-8.0616586e-3f));
    p = fma_(p, t, splat(-5.4207657e-2f));
    p = fma_(p, t, splat(1.6405556e-1f));
    p = fma_(p, t, splat(-1.6603109e-1f));
    p = fma_(p, t, splat(-9.2763990e-2f));
    p = fma_(p, t, splat(1.2769784f));
    vec half_complement = splat(0.5f) * exponential(-z * z) * p / fma_(splat(2.0f), z, splat(1.0f));
    return x * select_(x < splat(0.0f), half_complement, splat(1.0f) - half_complement);
}

INLINE vec activation_of(int activation, vec x) {
    const vec one = splat(1.0f);
    switch (activation) {
    case TK_SILU: return x / (one + exponential(-x));
    case TK_GELU: return gaussian_error_linear(x);
    case TK_GELU_TANH: {
        // x/2 (1 + tanh u) = x / (1 + e^(-2u))
        vec u = x * fma_(x * x, splat(0.044715f), one) * splat(-1.5957691216f);
        return x / (one + exponential(u));
    }
    case TK_QUICK_GELU: return x / (one + exponential(x * splat(-1.702f)));
    case TK_RELU: return maximum(splat(0.0f), x);
    default: return x;
    }
}
