import Images
import Networks
import Tensors

/// How Qwen2.5-VL looks at pictures and videos: at their own size, a video two frames at a time, as patches of different
/// times don't see each other; and each of them some layers at a time.
struct Qwen25VLFront: VisionFront {
    let network: Qwen25Vision
    let imageProcessor: Qwen2VLImageProcessor
    let pictureToken: Int?
    let videoToken: Int?

    func rowCount(of input: VisualInput, field: String) throws -> Int {
        if case .video(_, let framesPerSecond) = input {
            let rates = VideoClock.frameRates
            try PipelineError.require(
                rates.contains(framesPerSecond),
                field,
                "videos have \(rates.lowerBound)…\(rates.upperBound) frames a second"
            )
        }
        try imageProcessor.checkProportions(of: input.frames[0].size, field: field)
        return tokens(of: input).patches
    }

    // MARK: Parts

    /// Patches × layers of a part. At the size of the 3B model some five seconds of two cores, as long as a step of drawing
    /// takes, where a photo's 60,000 patches through all layers take a quarter of an hour.
    private static let workOfPart = 16_384

    /// The layers of each part that the patches of one time take.
    private func layerRanges(_ grid: PatchGrid) -> [Range<Int>] {
        let layers = network.config.layers
        let count = max(1, Self.workOfPart / grid.patchesPerFrame)
        return stride(from: 0, to: layers, by: count).map { $0..<min($0 + count, layers) }
    }

    func partCount(of input: VisualInput) -> Int {
        imageProcessor.patchesInTime(frames: input.frames.count)
            * layerRanges(imageProcessor.grid(of: input.frames[0].size)).count
    }

    /// Parts are the rows of one time, [rows, width]; behind them at most one that is not through all layers.
    func compute(part index: Int, of input: VisualInput, behind parts: inout [Tensor]) {
        let size = input.frames[0].size
        let grid = imageProcessor.grid(of: size)
        let ranges = layerRanges(grid)
        let (time, range) = (index / ranges.count, index % ranges.count)
        var hidden: Tensor
        if range == 0 {
            let frames = input.frames[(time * imageProcessor.temporalPatchSize)...]
                .prefix(imageProcessor.temporalPatchSize)
            hidden = network.embedded(imageProcessor.patches(of: Array(frames), like: size).patches, grid)
        } else {
            hidden = parts.removeLast()
        }
        hidden = network.hidden(hidden, grid, layers: ranges[range])
        parts.append(range == ranges.count - 1 ? network.tokens(of: hidden, grid) : hidden)
    }

    func joined(_ parts: [Tensor], of input: VisualInput) -> Tensor {
        parts.count == 1 ? parts[0] : .concatenated(parts, axis: 0)
    }

    // MARK: Positions

    func positions(of spans: [PromptSpan]) -> PromptPositions? {
        var positions = SpatialPositions()
        for span in spans {
            switch span {
            case .text(let tokens): positions.appendText(tokens)
            case .visual(.picture(let picture)): positions.appendPicture(tokens(of: .picture(picture)))
            case .visual(.video(let frames, let framesPerSecond)):
                let clock = VideoClock(
                    framesPerSecond: framesPerSecond,
                    temporalPatchSize: imageProcessor.temporalPatchSize,
                    tokensPerSecond: network.config.tokensPerSecond
                )
                let video = VisualInput.video(frames, framesPerSecond: framesPerSecond)
                positions.appendVideo(tokens(of: video), clock)
            }
        }
        return PromptPositions(rows: positions.rotary, next: positions.next)
    }

    /// The grid of an input's rows.
    private func tokens(of input: VisualInput) -> PatchGrid {
        imageProcessor.grid(of: input.frames[0].size, frames: input.frames.count)
            .merged(by: imageProcessor.mergeSize)
    }
}

extension VisualInput {
    /// A picture is one.
    fileprivate var frames: [PixelImage] {
        switch self {
        case .picture(let picture): [picture]
        case .video(let frames, _): frames
        }
    }
}

extension PixelImage {
    fileprivate var size: PictureSize { PictureSize(width: width, height: height) }
}
