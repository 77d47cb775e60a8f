package import Foundation

extension PixelImage {
    /// The picture as a file. The same picture and quality always give the same bytes.
    ///
    /// - Parameter quality: 0 (smallest) to 100 (best, the default) for JPEG and WebP, both of which lose detail at any
    ///   quality. JPEG halves the resolution of colour below 90. PNG loses nothing and has no quality.
    package func encoded(as format: ImageFormat, quality: Int? = nil) throws(ImageError) -> Data {
        let quality = quality ?? 100
        guard (0...100).contains(quality) else { throw .qualityOutOfRange(quality) }
        guard max(width, height) <= format.maximumSide else {
            throw .sideTooLong(format, width: width, height: height, limit: format.maximumSide)
        }
        switch format {
        case .png: return try PNGEncoder.encode(self)
        case .jpeg: return try JPEGEncoder.encode(self, quality: quality)
        case .webp: return try WebPEncoder.encode(self, quality: quality)
        }
    }
}
