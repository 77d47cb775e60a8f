package import Foundation

/// Reads PNG, JPEG and WebP files into 8-bit RGB.
package enum ImageDecoder {
    /// Decodes a picture as Pillow's `Image.open(file).convert("RGB")` does, with its orientation applied.
    ///
    /// The format is told from the bytes. Gray becomes three equal channels, 16-bit samples keep their high byte, CMYK
    /// is taken as Adobe writes it (inverted). Of an animated WebP the first frame is decoded. Embedded colour profiles
    /// are not applied. A file that ends early is an error, even when most of the picture is there.
    ///
    /// - Parameters:
    ///   - limits: checked against the file's size and header before memory is taken
    ///   - applyOrientation: turns and mirrors the picture as its EXIF orientation asks
    ///   - ground: what to lay transparent pixels on; `nil` drops transparency and keeps the colour beneath it
    package static func decode(
        _ data: some ContiguousBytes,
        limits: ImageLimits,
        applyOrientation: Bool = true,
        ground: RGBColor? = nil
    ) throws(ImageError) -> PixelImage {
        let outcome = data.withUnsafeBytes { bytes in
            Result { () throws(ImageError) in try decode(bytes, limits: limits, ground: ground) }
        }
        let (image, orientation) = try outcome.get()
        return applyOrientation ? image.oriented(orientation) : image
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: ImageLimits,
        ground: RGBColor?
    ) throws(ImageError) -> (PixelImage, Orientation) {
        try limits.admit(byteCount: bytes.count)
        switch ImageFormat(sniffing: bytes) {
        case .png: return try PNGDecoder.decode(bytes, limits: limits, ground: ground)
        case .jpeg: return try JPEGDecoder.decode(bytes, limits: limits)
        case .webp: return try WebPDecoder.decode(bytes, limits: limits, ground: ground)
        case nil: throw .unknownFormat(firstBytes: Array(bytes.prefix(8)))
        }
    }
}
