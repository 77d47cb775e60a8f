// In-register transposes of TK_LANES × TK_LANES blocks, by swapping ever smaller sub-blocks.

#if TK_LANES == 4
#define KEEP_1 0, 4, 2, 6
#define SWAP_1 1, 5, 3, 7
#define KEEP_2 0, 1, 4, 5
#define SWAP_2 2, 3, 6, 7
#elif TK_LANES == 8
#define KEEP_1 0, 8, 2, 10, 4, 12, 6, 14
#define SWAP_1 1, 9, 3, 11, 5, 13, 7, 15
#define KEEP_2 0, 1, 8, 9, 4, 5, 12, 13
#define SWAP_2 2, 3, 10, 11, 6, 7, 14, 15
#define KEEP_4 0, 1, 2, 3, 8, 9, 10, 11
#define SWAP_4 4, 5, 6, 7, 12, 13, 14, 15
#else
#define KEEP_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define SWAP_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define KEEP_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define SWAP_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define KEEP_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define SWAP_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define KEEP_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define SWAP_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#endif

// One stage: rows `distance` apart exchange the sub-blocks off the diagonal.
#define TRANSPOSE_STAGE(distance, keep, swap)                                     \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < TK_LANES; i++) {       \
        if (i & (distance)) continue;                                             \
        const vec upper = rows[i], lower = rows[i + (distance)];                  \
        rows[i] = __builtin_shufflevector(upper, lower, keep);                    \
        rows[i + (distance)] = __builtin_shufflevector(upper, lower, swap);       \
    }

#define UNPACKED(...) __VA_ARGS__

INLINE void transpose(vec rows[TK_LANES]) {
#if TK_LANES >= 16
    TRANSPOSE_STAGE(8, UNPACKED(KEEP_8), UNPACKED(SWAP_8))
#endif
#if TK_LANES >= 8
    TRANSPOSE_STAGE(4, UNPACKED(KEEP_4), UNPACKED(SWAP_4))
#endif
    TRANSPOSE_STAGE(2, UNPACKED(KEEP_2), UNPACKED(SWAP_2))
    TRANSPOSE_STAGE(1, UNPACKED(KEEP_1), UNPACKED(SWAP_1))
}
