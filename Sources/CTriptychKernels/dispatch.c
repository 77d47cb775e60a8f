#include "variants.h"

#if TK_X86
#include <cpuid.h>

// XCR0: which register files the operating system saves (Intel SDM volume 1, 13.3).
static uint64_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

static int best_x86(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return TK_ISA_BASELINE;
    const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
    if ((c & (fma | osxsave | avx | f16c)) != (fma | osxsave | avx | f16c)) return TK_ISA_BASELINE;
    const uint64_t xcr0 = saved_state();
    if ((xcr0 & 0x6) != 0x6) return TK_ISA_BASELINE;  // SSE and AVX registers
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & (1u << 5))) return TK_ISA_BASELINE;
    const uint32_t f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    if ((b & (f | dq | bw | vl)) != (f | dq | bw | vl)) return TK_ISA_AVX2;
    return (xcr0 & 0xe0) == 0xe0 ? TK_ISA_AVX512 : TK_ISA_AVX2;  // mask registers and the upper halves
}
#endif

const tk_kernels *tk_kernels_for(int isa) {
    if (isa == TK_ISA_BASELINE) return &tk_kernels_baseline;
#if TK_X86
    if (isa == TK_ISA_AVX2 && best_x86() >= TK_ISA_AVX2) return &tk_kernels_avx2;
    if (isa == TK_ISA_AVX512 && best_x86() >= TK_ISA_AVX512) return &tk_kernels_avx512;
#endif
    return NULL;
}
