#include "errors.h"

#include <jerror.h>

static cjpeg_status status_of(int code) {
    switch (code) {
    case JWRN_JPEG_EOF:
    case JERR_INPUT_EOF:
    case JERR_INPUT_EMPTY:
        return CJPEG_TRUNCATED;
    case JERR_OUT_OF_MEMORY:
        return CJPEG_NO_MEMORY;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_COMPONENT_COUNT:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
        return CJPEG_UNSUPPORTED;
    default:
        return CJPEG_MALFORMED;
    }
}

static void leave(j_common_ptr info) {
    cjpeg_errors *errors = (cjpeg_errors *)info->err;
    errors->status = status_of(info->err->msg_code);
    info->err->format_message(info, errors->message);
    longjmp(errors->exit, 1);
}

// libjpeg goes on after a warning with grey or garbled blocks. A picture that was cut or damaged is refused instead;
// only oddities that leave every pixel as it was meant are let pass.
static void on_message(j_common_ptr info, int level) {
    if (level >= 0) {
        return;
    }
    switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
        return;
    default:
        leave(info);
    }
}

static void print_nothing(j_common_ptr info) {
    (void)info;
}

struct jpeg_error_mgr *cjpeg_errors_install(cjpeg_errors *errors) {
    jpeg_std_error(&errors->base);
    errors->base.error_exit = leave;
    errors->base.emit_message = on_message;
    errors->base.output_message = print_nothing;
    errors->status = CJPEG_OK;
    errors->message[0] = '\0';
    return &errors->base;
}
