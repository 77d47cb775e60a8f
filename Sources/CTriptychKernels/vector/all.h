// Everything one variant consists of; included once by each kernels_*.c.
#include "vector.h"

#include "functions.h"
#include "transpose.h"

#include "elementwise.h"
#include "normalization.h"
#include "dot.h"
#include "tile.h"
#include "winograd.h"
#include "depthwise.h"
#include "attention.h"
#include "limits.h"

const tk_kernels TK_TABLE = {
    .name = TK_NAME,
    .widen = widen,
    .activate = activate,
    .gate = gate,
    .add = add,
    .add_scaled = add_scaled,
    .scale = scale,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .group_moments = group_moments,
    .scale_shift = scale_shift,
    .rotate = rotate,
    .dot_rows = dot_rows,
    .finish_rows = finish_rows,
    .tile_rows = TILE_ROWS,
    .tile_columns = TILE_COLUMNS,
    .pack = pack,
    .multiply_panels = multiply_panels,
    .winograd_input = winograd_input,
    .winograd_weights = winograd_weights,
    .winograd_output = winograd_output,
    .depthwise = depthwise,
    .softmax_columns = softmax_columns,
    .scale_columns = scale_columns,
    .cut_panels = cut_panels,
    .softmax_row = softmax_row,
    .weighted_sums = weighted_sums,
    .multiply_adds = multiply_adds,
    .read_all = read_all,
    .lanes = TK_LANES,
};
