// A float vector of TK_LANES lanes on clang's vector extensions.
#include <math.h>
#include <string.h>
#if TK_LANES > 4
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(TK_LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(TK_LANES * 4)));
typedef uint32_t uvec __attribute__((vector_size(TK_LANES * 4)));
typedef uint16_t hvec __attribute__((vector_size(TK_LANES * 2)));
// The same in memory: unaligned, and allowed to alias other types.
typedef float vec_memory __attribute__((vector_size(TK_LANES * 4), aligned(4), may_alias));
typedef uint16_t hvec_memory __attribute__((vector_size(TK_LANES * 2), aligned(2), may_alias));

INLINE vec load(const float *p) { return *(const vec_memory *)p; }
INLINE void store(float *p, vec v) { *(vec_memory *)p = v; }
INLINE vec splat(float x) { return x - (vec){0}; }

// The first `count` < TK_LANES values, zeros behind them.
#if TK_LANES == 16
INLINE __mmask16 first_lanes(size_t count) { return (__mmask16)((1u << count) - 1); }
INLINE vec load_part(const float *p, size_t count) { return _mm512_maskz_loadu_ps(first_lanes(count), p); }
INLINE void store_part(float *p, vec v, size_t count) { _mm512_mask_storeu_ps(p, first_lanes(count), v); }
INLINE hvec load_half_part(const uint16_t *p, size_t count) {
    return (hvec)_mm256_maskz_loadu_epi16(first_lanes(count), p);
}
#elif TK_LANES == 8
INLINE __m256i first_lanes(size_t count) {
    const ivec lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return (__m256i)(lane < (int32_t)count);
}
INLINE vec load_part(const float *p, size_t count) { return _mm256_maskload_ps(p, first_lanes(count)); }
INLINE void store_part(float *p, vec v, size_t count) { _mm256_maskstore_ps(p, first_lanes(count), v); }
#else
INLINE vec load_part(const float *p, size_t count) {
    vec v = {0};
    memcpy(&v, p, count * sizeof(float));
    return v;
}
INLINE void store_part(float *p, vec v, size_t count) { memcpy(p, &v, count * sizeof(float)); }
#endif
#if TK_LANES < 16
INLINE hvec load_half_part(const uint16_t *p, size_t count) {
    hvec h = {0};
    memcpy(&h, p, count * sizeof(uint16_t));
    return h;
}
#endif

// a * b + c, in one rounding where the instruction exists.
INLINE vec fma_(vec a, vec b, vec c) {
#if TK_HAS_FMA
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}

INLINE vec select_(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }
// As C's a < b ? a : b: a NaN in b comes through.
INLINE vec minimum(vec a, vec b) { return select_(a < b, a, b); }
INLINE vec maximum(vec a, vec b) { return select_(a > b, a, b); }

// Lanes are added in halves, always in the same tree.
INLINE float sum(vec v) {
    float lanes[TK_LANES];
    memcpy(lanes, &v, sizeof v);
    for (int half = TK_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

INLINE float largest(vec v) {
    float result = v[0];
    for (int i = 1; i < TK_LANES; i++) result = v[i] > result ? v[i] : result;
    return result;
}

INLINE vec widen_bfloat16(hvec h) { return (vec)(__builtin_convertvector(h, uvec) << 16); }

INLINE vec widen_float16(hvec h) {
#if TK_HAS_F16C
    typedef _Float16 half_vec __attribute__((vector_size(TK_LANES * 2)));
    return __builtin_convertvector((half_vec)h, vec);
#else
    // Exponent and mantissa are moved into place and rescaled by 2^112, which also normalises subnormals;
    // infinities and NaNs get the largest exponent.
    uvec bits = __builtin_convertvector(h, uvec);
    uvec sign = (bits & 0x8000u) << 16, magnitude = (bits & 0x7fffu) << 13;
    vec scaled = (vec)magnitude * splat(0x1p112f);
    ivec special = (ivec)(magnitude >= 0x0f800000u);
    return (vec)(sign | (uvec)select_(special, (vec)(magnitude | 0x7f800000u), scaled));
#endif
}

INLINE size_t element_size(int dtype) { return dtype == TK_FLOAT32 ? 4 : 2; }

// TK_LANES values of a stored dtype, starting at element `i`.
INLINE vec load_stored(int dtype, const void *p, size_t i) {
    if (dtype == TK_FLOAT32) return load((const float *)p + i);
    hvec h = *(const hvec_memory *)((const uint16_t *)p + i);
    return dtype == TK_FLOAT16 ? widen_float16(h) : widen_bfloat16(h);
}

INLINE vec load_stored_part(int dtype, const void *p, size_t i, size_t count) {
    if (dtype == TK_FLOAT32) return load_part((const float *)p + i, count);
    hvec h = load_half_part((const uint16_t *)p + i, count);
    return dtype == TK_FLOAT16 ? widen_float16(h) : widen_bfloat16(h);
}
