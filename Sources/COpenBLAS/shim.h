// The two functions of OpenBLAS that are called, declared here because its own header would make parts of the C library
// members of this module. Debian builds it with 32-bit indices.
#pragma once

enum CBLAS_ORDER { CblasRowMajor = 101 };
enum CBLAS_TRANSPOSE { CblasNoTrans = 111, CblasTrans = 112 };

/// c[m][n] = alpha * a[m][k] * b[k][n] + beta * c[m][n], `lda`, `ldb` and `ldc` values from row to row.
void cblas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE a_transposed, enum CBLAS_TRANSPOSE b_transposed, int m,
                 int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c,
                 int ldc);

void openblas_set_num_threads(int threads);
