import CWebP

/// WebP through libwebp: lossy and lossless, with or without alpha, the first frame of an animation.
enum WebPDecoder {
    static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: ImageLimits,
        ground: RGBColor?
    ) throws(ImageError) -> (PixelImage, Orientation) {
        let file = try WebPFile(bytes)
        let canvas = file.canvas
        try limits.admit(width: canvas.width, height: canvas.height, of: .webp)
        let frame = try file.firstFrame()
        var image = PixelImage(width: canvas.width, height: canvas.height, color: ground ?? .black)
        if let ground, frame.hasAlpha {
            try flatten(frame, on: ground, into: &image)
        } else {
            let start = (frame.y * image.width + frame.x) * 3
            try decode(frame, mode: MODE_RGB, to: &image.pixels, from: start, rowStep: image.width * 3)
        }
        return (image, file.orientation)
    }

    private static func flatten(
        _ frame: WebPFrame,
        on ground: RGBColor,
        into image: inout PixelImage
    ) throws(ImageError) {
        var rgba = [UInt8](repeating: 0, count: frame.width * frame.height * 4)
        try decode(frame, mode: MODE_RGBA, to: &rgba, from: 0, rowStep: frame.width * 4)
        var pixels = image.pixels
        var from = 0
        for y in 0..<frame.height {
            var to = ((frame.y + y) * image.width + frame.x) * 3
            for _ in 0..<frame.width {
                let color = RGBColor(red: rgba[from], green: rgba[from + 1], blue: rgba[from + 2])
                let laid = ground.beneath(color, alpha: rgba[from + 3])
                pixels[to] = laid.red
                pixels[to + 1] = laid.green
                pixels[to + 2] = laid.blue
                from += 4
                to += 3
            }
        }
        image.pixels = pixels
    }

    /// Decodes a frame into rows of `target` that are `rowStep` bytes apart.
    private static func decode(
        _ frame: WebPFrame,
        mode: WEBP_CSP_MODE,
        to target: inout [UInt8],
        from start: Int,
        rowStep: Int
    ) throws(ImageError) {
        var configuration = WebPDecoderConfig()
        guard WebPInitDecoderConfig(&configuration) != 0 else {
            throw .unsupported(.webp, at: "set-up", reason: "libwebp is older than its header")
        }
        let payload = frame.payload
        let status = target.withUnsafeMutableBufferPointer { target in
            configuration.output.colorspace = mode
            configuration.output.is_external_memory = 1
            configuration.output.u.RGBA.rgba = target.baseAddress.map { $0 + start }
            configuration.output.u.RGBA.stride = Int32(rowStep)
            configuration.output.u.RGBA.size = target.count - start
            return WebPDecode(payload.baseAddress, payload.count, &configuration)
        }
        let place = "the image data"
        switch status {
        case VP8_STATUS_OK:
            return
        case VP8_STATUS_OUT_OF_MEMORY:
            throw .outOfMemory(.webp)
        case VP8_STATUS_SUSPENDED, VP8_STATUS_NOT_ENOUGH_DATA:
            throw .truncated(.webp, at: place, reason: "unexpected end of data")
        case VP8_STATUS_UNSUPPORTED_FEATURE:
            throw .unsupported(.webp, at: place, reason: "a feature that libwebp does not know")
        default:
            throw .malformed(.webp, at: place, reason: "damaged bitstream")
        }
    }
}
