#include <stdlib.h>

#include <jerror.h>

#include "errors.h"

typedef struct {
    struct jpeg_compress_struct info;
    cjpeg_errors errors;
    struct jpeg_destination_mgr destination;
    uint8_t *bytes;
    size_t capacity;
} writer;

static void point_at(writer *writer, size_t used) {
    writer->destination.next_output_byte = writer->bytes + used;
    writer->destination.free_in_buffer = writer->capacity - used;
}

static void grow(j_compress_ptr info, size_t capacity) {
    writer *self = (writer *)info;
    uint8_t *bytes = realloc(self->bytes, capacity);
    if (bytes == NULL) {
        ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
    }
    size_t used = self->capacity;
    self->bytes = bytes;
    self->capacity = capacity;
    point_at(self, used);
}

static void begin(j_compress_ptr info) {
    grow(info, 1 << 16);
}

static boolean on_full(j_compress_ptr info) {
    grow(info, ((writer *)info)->capacity * 2);
    return TRUE;
}

static void end(j_compress_ptr info) {
    (void)info;
}

static void compress(writer *writer, const uint8_t *rgb, int quality, int halved_chroma) {
    j_compress_ptr info = &writer->info;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    info->comp_info[0].h_samp_factor = halved_chroma ? 2 : 1;
    info->comp_info[0].v_samp_factor = halved_chroma ? 2 : 1;
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)info->next_scanline * info->image_width * 3);
        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
}

cjpeg_status cjpeg_encode(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, int halved_chroma, cjpeg_file *file) {
    file->bytes = NULL;
    file->count = 0;
    // On the heap: a local changed after setjmp has no defined value after the jump.
    writer *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CJPEG_NO_MEMORY;
    }
    self->info.err = cjpeg_errors_install(&self->errors);
    if (setjmp(self->errors.exit) == 0) {
        jpeg_create_compress(&self->info);
        self->destination.init_destination = begin;
        self->destination.empty_output_buffer = on_full;
        self->destination.term_destination = end;
        self->info.dest = &self->destination;
        self->info.image_width = width;
        self->info.image_height = height;
        self->info.input_components = 3;
        self->info.in_color_space = JCS_RGB;
        compress(self, rgb, quality, halved_chroma);
        file->bytes = self->bytes;
        file->count = self->capacity - self->destination.free_in_buffer;
    }
    cjpeg_status status = self->errors.status;
    if (status != CJPEG_OK) {
        free(self->bytes);
    }
    jpeg_destroy_compress(&self->info);
    free(self);
    return status;
}
