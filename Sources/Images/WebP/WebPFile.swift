import CWebP

/// One picture of a WebP file; its bytes belong to the ``WebPFile``.
struct WebPFrame {
    let payload: UnsafeBufferPointer<UInt8>
    let x: Int
    let y: Int
    let width: Int
    let height: Int
    let hasAlpha: Bool
}

/// The chunks of a WebP file. Nothing is copied or decoded.
final class WebPFile {
    private let demuxer: OpaquePointer

    /// - Parameter bytes: must outlive the file
    init(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        var data = WebPData(bytes: bytes.assumingMemoryBound(to: UInt8.self).baseAddress, size: bytes.count)
        var state = WEBP_DEMUX_PARSE_ERROR
        let demuxer = WebPDemuxPartial(&data, &state)
        guard let demuxer, state == WEBP_DEMUX_DONE else {
            WebPDemuxDelete(demuxer)
            let place = "the chunks"
            if state == WEBP_DEMUX_PARSE_ERROR {
                throw .malformed(.webp, at: place, reason: "they do not make up a picture")
            }
            throw .truncated(.webp, at: place, reason: "the file is shorter than it says")
        }
        self.demuxer = demuxer
    }

    deinit {
        WebPDemuxDelete(demuxer)
    }

    var canvas: (width: Int, height: Int) {
        (Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH)), Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT)))
    }

    /// The first frame, checked to lie on the canvas and to have the size its own bitstream states.
    func firstFrame() throws(ImageError) -> WebPFrame {
        var iterator = WebPIterator()
        defer { WebPDemuxReleaseIterator(&iterator) }
        let place = "the first frame"
        guard WebPDemuxGetFrame(demuxer, 1, &iterator) != 0 else {
            throw .malformed(.webp, at: place, reason: "there is none")
        }
        let frame = WebPFrame(
            payload: UnsafeBufferPointer(start: iterator.fragment.bytes, count: iterator.fragment.size),
            x: Int(iterator.x_offset),
            y: Int(iterator.y_offset),
            width: Int(iterator.width),
            height: Int(iterator.height),
            hasAlpha: iterator.has_alpha != 0
        )
        var features = WebPBitstreamFeatures()
        let status = WebPGetFeatures(frame.payload.baseAddress, frame.payload.count, &features)
        guard status == VP8_STATUS_OK, Int(features.width) == frame.width, Int(features.height) == frame.height else {
            throw .malformed(.webp, at: place, reason: "its bitstream does not match its header")
        }
        let (width, height) = canvas
        guard frame.x >= 0, frame.y >= 0, frame.width > 0, frame.height > 0,
            frame.x + frame.width <= width, frame.y + frame.height <= height
        else {
            throw .malformed(.webp, at: place, reason: "it lies outside the canvas")
        }
        return frame
    }

    /// As the EXIF chunk says.
    var orientation: Orientation {
        var iterator = WebPChunkIterator()
        defer { WebPDemuxReleaseChunkIterator(&iterator) }
        guard WebPDemuxGetChunk(demuxer, "EXIF", 1, &iterator) != 0 else { return .upright }
        return EXIF.orientation(in: UnsafeRawBufferPointer(start: iterator.chunk.bytes, count: iterator.chunk.size))
    }
}
