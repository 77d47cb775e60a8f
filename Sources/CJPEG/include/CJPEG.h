// JPEG through libjpeg-turbo, behind functions that always return.
//
// libjpeg reports a fatal error by calling back, and the callback must not return. Jumping out of it with longjmp is
// fine between C frames and undefined across Swift ones, so the jump starts and ends inside this target.

#ifndef CJPEG_H
#define CJPEG_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    CJPEG_OK = 0,
    CJPEG_TRUNCATED,    // the bytes end before the picture does
    CJPEG_MALFORMED,    // the bytes are no valid JPEG stream
    CJPEG_UNSUPPORTED,  // valid, but of a kind that libjpeg-turbo does not read
    CJPEG_NO_MEMORY,
} cjpeg_status;

typedef struct cjpeg_reader cjpeg_reader;

typedef struct {
    uint32_t width;
    uint32_t height;
    uint32_t components;  // of the file: 1 gray, 3 colour, 4 CMYK or YCCK
    uint32_t channels;    // of the rows handed out: 3 (RGB) or 4 (CMYK)
    const uint8_t *exif;  // first Exif segment after its "Exif\0\0" mark, or NULL; valid until cjpeg_finish
    size_t exif_count;
} cjpeg_header;

// Null when there is no memory.
cjpeg_reader *cjpeg_reader_create(void);
void cjpeg_reader_destroy(cjpeg_reader *reader);

// What went wrong in the last call that failed, in libjpeg's words; lives as long as the reader.
const char *cjpeg_reader_message(const cjpeg_reader *reader);

// Reads up to the first scan. The bytes must outlive the reader.
cjpeg_status cjpeg_read_header(cjpeg_reader *reader, const uint8_t *bytes, size_t count, cjpeg_header *header);

// Takes the memory that decoding needs; reads all scans of a progressive file.
cjpeg_status cjpeg_start(cjpeg_reader *reader);

// Writes width * channels bytes.
cjpeg_status cjpeg_read_row(cjpeg_reader *reader, uint8_t *row);

// Reads on to the end of the picture.
cjpeg_status cjpeg_finish(cjpeg_reader *reader);

typedef struct {
    uint8_t *bytes;  // to be released with free(); NULL unless the status is CJPEG_OK
    size_t count;
} cjpeg_file;

// Baseline JPEG of interleaved RGB rows. With halved_chroma the colour planes have half the width and height (4:2:0).
cjpeg_status cjpeg_encode(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, int halved_chroma, cjpeg_file *file);

#endif
