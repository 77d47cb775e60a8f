/// What a picture may cost. Both limits are held against the file's size and header, before any memory is taken.
package struct ImageLimits: Sendable, Hashable {
    /// Width times height. Decoding takes 3 bytes a pixel, and as much again while a picture is turned or has
    /// transparency; progressive JPEGs keep 6 bytes a pixel of coefficients.
    package var maxPixels: Int
    /// Bytes of the file.
    package var maxBytes: Int

    package init(maxPixels: Int, maxBytes: Int) {
        self.maxPixels = maxPixels
        self.maxBytes = maxBytes
    }

    func admit(byteCount: Int) throws(ImageError) {
        guard byteCount <= maxBytes else { throw .tooManyBytes(count: byteCount, limit: maxBytes) }
    }

    func admit(width: Int, height: Int, of format: ImageFormat) throws(ImageError) {
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard !overflow, count <= maxPixels else {
            throw .tooManyPixels(format, width: width, height: height, limit: maxPixels)
        }
        // Also keeps what follows, bytes per pixel times pixels, far from overflow.
        guard max(width, height) <= format.maximumSide else {
            throw .sideTooLong(format, width: width, height: height, limit: format.maximumSide)
        }
    }
}
