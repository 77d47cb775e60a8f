#include <stdlib.h>
#include <string.h>

#include "errors.h"

// A progressive file may hold any number of scans, each as costly as a whole picture. Encoders write about ten; the
// limit keeps a small hostile file from costing minutes.
#define MAX_SCANS 100

struct cjpeg_reader {
    struct jpeg_decompress_struct info;
    struct jpeg_progress_mgr progress;
    cjpeg_errors errors;
};

static void limit_scans(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) {
        cjpeg_errors *errors = (cjpeg_errors *)info->err;
        errors->status = CJPEG_UNSUPPORTED;
        snprintf(errors->message, sizeof errors->message, "more than %d scans", MAX_SCANS);
        longjmp(errors->exit, 1);
    }
}

cjpeg_reader *cjpeg_reader_create(void) {
    cjpeg_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return NULL;
    }
    reader->info.err = cjpeg_errors_install(&reader->errors);
    if (setjmp(reader->errors.exit)) {
        cjpeg_reader_destroy(reader);
        return NULL;
    }
    jpeg_create_decompress(&reader->info);
    reader->progress.progress_monitor = limit_scans;
    reader->info.progress = &reader->progress;
    return reader;
}

void cjpeg_reader_destroy(cjpeg_reader *reader) {
    jpeg_destroy_decompress(&reader->info);
    free(reader);
}

const char *cjpeg_reader_message(const cjpeg_reader *reader) {
    return reader->errors.message;
}

static void find_exif(const struct jpeg_decompress_struct *info, cjpeg_header *header) {
    static const char mark[6] = "Exif\0";
    for (jpeg_saved_marker_ptr marker = info->marker_list; marker != NULL; marker = marker->next) {
        if (marker->data_length > sizeof mark && memcmp(marker->data, mark, sizeof mark) == 0) {
            header->exif = marker->data + sizeof mark;
            header->exif_count = marker->data_length - sizeof mark;
            return;
        }
    }
}

cjpeg_status cjpeg_read_header(cjpeg_reader *reader, const uint8_t *bytes, size_t count, cjpeg_header *header) {
    struct jpeg_decompress_struct *info = &reader->info;
    memset(header, 0, sizeof *header);
    if (setjmp(reader->errors.exit)) {
        return reader->errors.status;
    }
    jpeg_mem_src(info, bytes, count);
    jpeg_save_markers(info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(info, TRUE);
    header->width = info->image_width;
    header->height = info->image_height;
    header->components = (uint32_t)info->num_components;
    switch (info->num_components) {
    case 1:
    case 3:
        info->out_color_space = JCS_RGB;
        header->channels = 3;
        break;
    case 4:
        info->out_color_space = JCS_CMYK;
        header->channels = 4;
        break;
    default:
        snprintf(
            reader->errors.message, sizeof reader->errors.message, "%d colour components", info->num_components);
        return CJPEG_UNSUPPORTED;
    }
    find_exif(info, header);
    return CJPEG_OK;
}

cjpeg_status cjpeg_start(cjpeg_reader *reader) {
    if (setjmp(reader->errors.exit)) {
        return reader->errors.status;
    }
    jpeg_start_decompress(&reader->info);
    return CJPEG_OK;
}

cjpeg_status cjpeg_read_row(cjpeg_reader *reader, uint8_t *row) {
    if (setjmp(reader->errors.exit)) {
        return reader->errors.status;
    }
    jpeg_read_scanlines(&reader->info, &row, 1);
    return CJPEG_OK;
}

cjpeg_status cjpeg_finish(cjpeg_reader *reader) {
    if (setjmp(reader->errors.exit)) {
        return reader->errors.status;
    }
    jpeg_finish_decompress(&reader->info);
    return CJPEG_OK;
}
