// The three compiled variants of the kernels.
#pragma once

#include "triptych_kernels.h"

#if defined(__x86_64__)
#define TK_X86 1
#else
#define TK_X86 0
#endif

extern const tk_kernels tk_kernels_baseline;
#if TK_X86
extern const tk_kernels tk_kernels_avx2;
extern const tk_kernels tk_kernels_avx512;
#endif
