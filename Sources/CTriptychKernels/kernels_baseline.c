// Plain C for any processor: four lanes, which are SSE2 on x86-64 and NEON on arm64.
#include "variants.h"

#define TK_LANES 4
#define TILE_ROWS 6
#if defined(__aarch64__)
#define TK_HAS_FMA 1
#else
#define TK_HAS_FMA 0
#endif
#define TK_HAS_F16C 0
#define TK_TABLE tk_kernels_baseline
#define TK_NAME "baseline"
#include "vector/all.h"
