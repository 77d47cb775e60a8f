import CJPEG

/// JPEG through libjpeg-turbo: baseline and progressive; gray, colour, CMYK and YCCK.
enum JPEGDecoder {
    static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: ImageLimits
    ) throws(ImageError) -> (PixelImage, Orientation) {
        let reader = try JPEGReader(bytes)
        let header = try reader.header()
        let width = Int(header.width)
        let height = Int(header.height)
        try limits.admit(width: width, height: height, of: .jpeg)
        let orientation = reader.orientation(header)
        try reader.start()
        var pixels = [UInt8](repeating: 0, count: width * height * 3)
        var row = [UInt8](repeating: 0, count: width * Int(header.channels))
        for y in 0..<height {
            try reader.read(&row, y: y)
            if header.channels == 4 {
                writeRGB(ofInvertedCMYK: row, to: &pixels, from: y * width * 3)
            } else {
                pixels.replaceSubrange((y * width * 3)..<((y + 1) * width * 3), with: row)
            }
        }
        try reader.finish()
        return (PixelImage(width: width, height: height, pixels: pixels), orientation)
    }

    /// Files with four colours come from Adobe's programs, which store the paper's white as 255. The rest is Pillow's
    /// conversion: each ink darkens what black leaves.
    private static func writeRGB(ofInvertedCMYK row: [UInt8], to pixels: inout [UInt8], from start: Int) {
        var to = start
        for from in stride(from: 0, to: row.count, by: 4) {
            let light = row[from + 3]
            for channel in 0..<3 {
                pixels[to + channel] = light - scaled(255 - row[from + channel], by: light)
            }
            to += 3
        }
    }
}

/// A libjpeg decompressor that reads from memory.
private final class JPEGReader {
    private let reader: OpaquePointer
    private let bytes: UnsafeRawBufferPointer

    /// - Parameter bytes: must outlive the reader
    init(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        guard let reader = cjpeg_reader_create() else { throw .outOfMemory(.jpeg) }
        self.reader = reader
        self.bytes = bytes
    }

    deinit {
        cjpeg_reader_destroy(reader)
    }

    func header() throws(ImageError) -> cjpeg_header {
        var header = cjpeg_header()
        let start = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
        try check(cjpeg_read_header(reader, start, bytes.count, &header), at: "the header")
        return header
    }

    /// As the file's EXIF segment says; to be asked before ``start()``, since libjpeg drops the segment at the end.
    func orientation(_ header: cjpeg_header) -> Orientation {
        EXIF.orientation(in: UnsafeRawBufferPointer(start: header.exif, count: header.exif_count))
    }

    func start() throws(ImageError) {
        try check(cjpeg_start(reader), at: "the first scan")
    }

    /// - Parameter row: `[width, channels]`
    func read(_ row: inout [UInt8], y: Int) throws(ImageError) {
        let status = cjpeg_read_row(reader, &row)
        if status != CJPEG_OK {
            try check(status, at: "row \(y)")
        }
    }

    func finish() throws(ImageError) {
        try check(cjpeg_finish(reader), at: "the end")
    }

    private func check(_ status: cjpeg_status, at place: String) throws(ImageError) {
        lazy var reason = String(cString: cjpeg_reader_message(reader))
        switch status {
        case CJPEG_OK: return
        case CJPEG_TRUNCATED: throw .truncated(.jpeg, at: place, reason: reason)
        case CJPEG_UNSUPPORTED: throw .unsupported(.jpeg, at: place, reason: reason)
        case CJPEG_NO_MEMORY: throw .outOfMemory(.jpeg)
        default: throw .malformed(.jpeg, at: place, reason: reason)
        }
    }
}
