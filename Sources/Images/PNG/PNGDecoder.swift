import CSPNG

/// PNG through libspng: every colour type and depth, interlaced or not.
enum PNGDecoder {
    static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: ImageLimits,
        ground: RGBColor?
    ) throws(ImageError) -> (PixelImage, Orientation) {
        let reader = try PNGReader(bytes)
        let header = try reader.header()
        let width = Int(header.width)
        let height = Int(header.height)
        try limits.admit(width: width, height: height, of: .png)
        let isIndexed = header.color_type == UInt8(SPNG_COLOR_TYPE_INDEXED.rawValue)
        let samples = PNGSamples(
            header: header,
            palette: isIndexed ? try reader.palette() : [],
            transparency: ground == nil ? nil : try reader.transparency(),
            ground: ground
        )
        var pixels = [UInt8](repeating: 0, count: width * height * 3)
        try reader.readScanlines(width: width, interlaced: header.interlace_method != 0) {
            (scanline, placement) throws(ImageError) in
            try samples.write(scanline, to: &pixels, at: placement)
        }
        try reader.readTrailingChunks()
        return (PixelImage(width: width, height: height, pixels: pixels), try reader.orientation())
    }
}

/// A libspng context that reads from memory.
private final class PNGReader {
    private let context: OpaquePointer

    /// - Parameter bytes: must outlive the reader
    init(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        guard let context = spng_ctx_new(0) else { throw .outOfMemory(.png) }
        self.context = context
        // Text, profiles and EXIF are kept in memory until the context is freed. Real ones are far below a megabyte;
        // compressed ones can claim to be anything.
        try Self.check(spng_set_chunk_limits(context, 16 << 20, 32 << 20), at: "set-up")
        try Self.check(spng_set_png_buffer(context, bytes.baseAddress, bytes.count), at: "set-up")
    }

    deinit {
        spng_ctx_free(context)
    }

    func header() throws(ImageError) -> spng_ihdr {
        var header = spng_ihdr()
        try Self.check(spng_get_ihdr(context, &header), at: "the header")
        return header
    }

    func palette() throws(ImageError) -> [RGBColor] {
        var chunk = spng_plte()
        let status = spng_get_plte(context, &chunk)
        guard status != SPNG_ECHUNKAVAIL.rawValue else {
            throw .malformed(.png, at: "the palette", reason: "an indexed picture without one")
        }
        try Self.check(status, at: "the palette")
        return withUnsafeBytes(of: chunk.entries) { entries in
            entries.bindMemory(to: spng_plte_entry.self).prefix(Int(chunk.n_entries)).map { entry in
                RGBColor(red: entry.red, green: entry.green, blue: entry.blue)
            }
        }
    }

    func transparency() throws(ImageError) -> spng_trns? {
        var chunk = spng_trns()
        let status = spng_get_trns(context, &chunk)
        if status == SPNG_ECHUNKAVAIL.rawValue { return nil }
        try Self.check(status, at: "the transparency chunk")
        return chunk
    }

    /// Hands out the scanlines in file order, packed as in the file, with big-endian 16-bit samples.
    func readScanlines(
        width: Int,
        interlaced: Bool,
        _ body: (UnsafeBufferPointer<UInt8>, PNGPlacement) throws(ImageError) -> Void
    ) throws(ImageError) {
        let format = Int32(SPNG_FMT_RAW.rawValue)
        try Self.check(
            spng_decode_image(context, nil, 0, format, Int32(SPNG_DECODE_PROGRESSIVE.rawValue)),
            at: "the image data"
        )
        // 16-bit RGBA takes 8 bytes a pixel; nothing takes more.
        let scanline = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: width * 8)
        scanline.initialize(repeating: 0)
        defer { scanline.deallocate() }
        var status: Int32 = 0
        while status == 0 {
            var info = spng_row_info()
            try Self.check(spng_get_row_info(context, &info), at: "the image data")
            status = spng_decode_scanline(context, scanline.baseAddress, scanline.count)
            if status != SPNG_EOI.rawValue {
                try Self.check(status, at: "row \(info.row_num)" + (interlaced ? " of pass \(info.pass + 1)" : ""))
            }
            let (first, step) = interlaced ? Self.adam7[Int(info.pass)] : (0, 1)
            let placement = PNGPlacement(
                row: Int(info.row_num),
                firstColumn: first,
                columnStep: step,
                count: (width - first + step - 1) / step
            )
            try body(UnsafeBufferPointer(scanline), placement)
        }
    }

    /// Reads to the end of the file, which is where the format's end mark stands.
    func readTrailingChunks() throws(ImageError) {
        try Self.check(spng_decode_chunks(context), at: "the chunks after the image data")
    }

    func orientation() throws(ImageError) -> Orientation {
        var chunk = spng_exif()
        guard spng_get_exif(context, &chunk) == 0 else { return .upright }
        return EXIF.orientation(in: UnsafeRawBufferPointer(start: chunk.data, count: chunk.length))
    }

    /// First column and step of each pass (PNG specification, section 8.2).
    private static let adam7 = [(0, 8), (4, 8), (0, 4), (2, 4), (0, 2), (1, 2), (0, 1)]

    private static func check(_ status: Int32, at place: @autoclosure () -> String) throws(ImageError) {
        guard status != 0 else { return }
        switch spng_errno(rawValue: status) {
        case SPNG_EMEM:
            throw .outOfMemory(.png)
        case SPNG_EOF, SPNG_IO_EOF:
            throw .truncated(.png, at: place(), reason: "unexpected end of file")
        default:
            throw .malformed(.png, at: place(), reason: String(cString: spng_strerror(status)))
        }
    }
}
