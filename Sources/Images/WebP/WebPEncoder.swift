import CWebP
import Foundation

/// Lossy WebP through libwebp.
enum WebPEncoder {
    /// - Parameter quality: 0…100
    static func encode(_ image: PixelImage, quality: Int) throws(ImageError) -> Data {
        var file: UnsafeMutablePointer<UInt8>?
        let count = WebPEncodeRGB(
            image.pixels,
            Int32(image.width),
            Int32(image.height),
            Int32(image.width * 3),
            Float(quality),
            &file
        )
        // libwebp gives no reason here; with sides and quality checked before, memory is the one that is left.
        guard count > 0, let file else { throw .outOfMemory(.webp) }
        return Data(bytesNoCopy: file, count: count, deallocator: .custom { pointer, _ in WebPFree(pointer) })
    }
}
