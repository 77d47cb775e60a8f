// AVX2, FMA and F16C: Intel since Haswell, AMD since Excavator.
#include "variants.h"

#if TK_X86
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define TK_LANES 8
#define TILE_ROWS 6
#define TK_HAS_FMA 1
#define TK_HAS_F16C 1
#define TK_TABLE tk_kernels_avx2
#define TK_NAME "avx2"
#include "vector/all.h"
#pragma clang attribute pop
#endif
