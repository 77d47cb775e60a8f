// How both directions leave libjpeg when it gives up.

#ifndef CJPEG_ERRORS_H
#define CJPEG_ERRORS_H

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "CJPEG.h"

typedef struct {
    struct jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to this
    jmp_buf exit;
    cjpeg_status status;
    char message[JMSG_LENGTH_MAX];
} cjpeg_errors;

// Installs handlers that keep the message and jump to errors->exit.
struct jpeg_error_mgr *cjpeg_errors_install(cjpeg_errors *errors);

#endif
