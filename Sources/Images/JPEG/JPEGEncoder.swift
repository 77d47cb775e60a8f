import CJPEG
import Foundation

/// Baseline JPEG through libjpeg-turbo.
enum JPEGEncoder {
    /// From this quality on, colour keeps its full resolution: below it the loss is hidden by coarser steps anyway.
    private static let fullChromaQuality = 90

    /// - Parameter quality: 0…100 on libjpeg's scale
    static func encode(_ image: PixelImage, quality: Int) throws(ImageError) -> Data {
        var file = cjpeg_file()
        let status = cjpeg_encode(
            image.pixels,
            UInt32(image.width),
            UInt32(image.height),
            Int32(quality),
            quality < fullChromaQuality ? 1 : 0,
            &file
        )
        guard status != CJPEG_NO_MEMORY else { throw .outOfMemory(.jpeg) }
        guard status == CJPEG_OK, let bytes = file.bytes else {
            throw .encodingFailed(.jpeg, reason: "libjpeg refused \(image.width)x\(image.height)")
        }
        return Data(bytesNoCopy: bytes, count: file.count, deallocator: .free)
    }
}
