import CWebP
import Foundation

/// Lossy WebP through libwebp.
enum WebPEncoder {
    /// - Parameter quality: 0…100
    static func encode(_ image: PixelImage, quality: Int) throws(ImageError) -> Data {
        var configuration = WebPConfig()
        var picture = WebPPicture()
        guard WebPConfigInit(&configuration) != 0, WebPPictureInit(&picture) != 0 else {
            throw .encodingFailed(.webp, reason: "libwebp is older than its header")
        }
        defer { WebPPictureFree(&picture) }
        configuration.quality = Float(quality)
        // WebP halves the resolution of colour at any quality; this way edges between strong colours stay crisp.
        configuration.use_sharp_yuv = 1
        picture.width = Int32(image.width)
        picture.height = Int32(image.height)
        picture.use_argb = 1
        guard WebPPictureImportRGB(&picture, image.pixels, Int32(image.width * 3)) != 0 else {
            throw .outOfMemory(.webp)
        }
        var output = WebPMemoryWriter()
        WebPMemoryWriterInit(&output)
        let succeeded = withUnsafeMutablePointer(to: &output) { output in
            picture.writer = WebPMemoryWrite
            picture.custom_ptr = UnsafeMutableRawPointer(output)
            return WebPEncode(&configuration, &picture) != 0
        }
        guard succeeded, let bytes = output.mem else {
            WebPMemoryWriterClear(&output)
            throw failure(picture.error_code)
        }
        return Data(bytesNoCopy: bytes, count: output.size, deallocator: .custom { pointer, _ in WebPFree(pointer) })
    }

    private static func failure(_ code: WebPEncodingError) -> ImageError {
        switch code {
        case VP8_ENC_ERROR_OUT_OF_MEMORY, VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY: .outOfMemory(.webp)
        default: .encodingFailed(.webp, reason: "libwebp error \(code.rawValue)")
        }
    }
}
