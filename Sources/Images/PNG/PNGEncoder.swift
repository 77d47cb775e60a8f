import CSPNG
import Foundation

/// PNG through libspng, 8-bit RGB, each row filtered by whatever suits it best.
enum PNGEncoder {
    static func encode(_ image: PixelImage) throws(ImageError) -> Data {
        guard let context = spng_ctx_new(Int32(SPNG_CTX_ENCODER.rawValue)) else { throw .outOfMemory(.png) }
        defer { spng_ctx_free(context) }
        var header = spng_ihdr()
        header.width = UInt32(image.width)
        header.height = UInt32(image.height)
        header.bit_depth = 8
        header.color_type = UInt8(SPNG_COLOR_TYPE_TRUECOLOR.rawValue)
        try check(spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1))
        try check(spng_set_ihdr(context, &header))
        let status = image.pixels.withUnsafeBytes { pixels in
            spng_encode_image(
                context,
                pixels.baseAddress,
                pixels.count,
                Int32(SPNG_FMT_PNG.rawValue),
                Int32(SPNG_ENCODE_FINALIZE.rawValue)
            )
        }
        try check(status)
        var count = 0
        var failure: Int32 = 0
        guard let bytes = spng_get_png_buffer(context, &count, &failure) else {
            try check(failure)
            throw .encodingFailed(.png, reason: "no file was written")
        }
        return Data(bytesNoCopy: bytes, count: count, deallocator: .free)
    }

    private static func check(_ status: Int32) throws(ImageError) {
        guard status != 0 else { return }
        if spng_errno(rawValue: status) == SPNG_EMEM { throw .outOfMemory(.png) }
        throw .encodingFailed(.png, reason: String(cString: spng_strerror(status)))
    }
}
