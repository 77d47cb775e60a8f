// AVX-512 F, DQ, BW, VL: Intel since Skylake-SP, AMD since Zen 4.
#include "variants.h"

#if TK_X86
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#define TK_LANES 16
#define TILE_ROWS 12
#define TK_HAS_FMA 1
#define TK_HAS_F16C 1
#define TK_TABLE tk_kernels_avx512
#define TK_NAME "avx512"
#include "vector/all.h"
#pragma clang attribute pop
#endif
