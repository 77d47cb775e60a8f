// OpenBLAS' own C interface; Debian keeps it apart from the reference cblas.h.
#pragma once
#include <cblas-openblas.h>
