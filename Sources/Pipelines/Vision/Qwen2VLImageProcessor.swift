import Checkpoints
import Images
import Networks
import Tensors

/// A picture or video as Qwen2-VL's vision transformers read it.
struct PatchedPicture: Sendable {
    /// [patches, channels × temporalPatchSize × patchSize × patchSize]
    let patches: Tensor
    let grid: PatchGrid
}

/// The `preprocessor_config.json` of Qwen2-VL and Qwen2.5-VL, applied as transformers' `Qwen2VLImageProcessor` does:
/// resize to whole tokens, rescale, normalise, cut into patches. Pictures keep their shape and, within limits, their size.
struct Qwen2VLImageProcessor: Sendable, Equatable, Decodable {
    /// Pixels that pictures have after resizing, save for what rounding to whole tokens changes. A caller may narrow it,
    /// as MetaQuery does for the pictures that it draws from.
    var pixelCount: ClosedRange<Int>
    let filter: ResizeFilter
    /// Pixels a side of a patch.
    let patchSize: Int
    /// Frames of a patch; a picture counts as so many equal frames.
    let temporalPatchSize: Int
    /// Patches a side of what becomes one token.
    let mergeSize: Int
    private let normalization: PixelNormalization

    private enum CodingKeys: String, CodingKey {
        case type = "image_processor_type"
        case resizes = "do_resize"
        case filter = "resample"
        case size
        case minimumPixels = "min_pixels"
        case maximumPixels = "max_pixels"
        case patchSize = "patch_size"
        case temporalPatchSize = "temporal_patch_size"
        case mergeSize = "merge_size"
    }

    private enum SizeKeys: String, CodingKey {
        case minimumPixels = "shortest_edge"
        case maximumPixels = "longest_edge"
    }

    init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decodeIfPresent(String.self, forKey: .type) ?? "Qwen2VLImageProcessor"
        guard ["Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast"].contains(type) else {
            throw config.invalid(.type, "\"\(type)\" is not supported (Qwen2VLImageProcessor)")
        }
        guard try config.decodeIfPresent(Bool.self, forKey: .resizes) ?? true else {
            throw config.invalid(.resizes, "is false, but pictures of any size come in")
        }
        filter = try config.resizeFilter(.filter)
        pixelCount = try Self.pixelCount(config)
        // Far above any real ones; products stay countable.
        patchSize = try config.integer(.patchSize, in: 1...1024, default: 14)
        temporalPatchSize = try config.integer(.temporalPatchSize, in: 1...64, default: 2)
        mergeSize = try config.integer(.mergeSize, in: 1...16, default: 2)
        normalization = try PixelNormalization(
            fromConfig: decoder,
            mean: PixelNormalization.clipMean,
            deviation: PixelNormalization.clipDeviation
        )
    }

    /// `min_pixels` and `max_pixels`, or what newer files call the edges of `size`.
    private static func pixelCount(_ config: KeyedDecodingContainer<CodingKeys>) throws -> ClosedRange<Int> {
        // A square of 16,384 pixels a side: above any real one, and small enough for a mistake to fit into memory.
        let possible = 1...(1 << 28)
        var (minimum, maximum) = (56 * 56, 28 * 28 * 1280)
        if try config.holds(.size) {
            let size = try config.nestedContainer(keyedBy: SizeKeys.self, forKey: .size)
            minimum = try size.integer(.minimumPixels, in: possible, default: minimum)
            maximum = try size.integer(.maximumPixels, in: possible, default: maximum)
        }
        minimum = try config.integer(.minimumPixels, in: possible, default: minimum)
        maximum = try config.integer(.maximumPixels, in: possible, default: maximum)
        guard minimum <= maximum else {
            throw config.invalid(.maximumPixels, "\(maximum) is less than the minimum, \(minimum)")
        }
        return minimum...maximum
    }

    // MARK: Sizes

    /// - Parameter field: what the request calls its pictures
    /// - Throws: `PipelineError.invalidRequest` for a picture more than 200 times as long as it is wide, which no model of
    ///   this kind was trained on.
    func checkProportions(of picture: PictureSize, field: String) throws {
        try PipelineError.require(
            max(picture.width, picture.height) <= 200 * min(picture.width, picture.height),
            field,
            "a picture of \(picture.width) × \(picture.height) pixels is more than 200 times as long as it is wide"
        )
    }

    /// The size to which a picture is brought (`smart_resize`): whole tokens a side, nearly its shape.
    ///
    /// The release that MetaQuery pins refuses pictures less than a token high or wide; they are enlarged here, as by
    /// later ones.
    func size(of picture: PictureSize) -> PictureSize {
        let token = Double(patchSize * mergeSize)
        let (height, width) = (Double(picture.height), Double(picture.width))
        func whole(_ side: Double, _ rule: FloatingPointRoundingRule) -> Int {
            Int((side / token).rounded(rule)) * patchSize * mergeSize
        }
        // Python rounds halves to even.
        let rounded = PictureSize(width: whole(width, .toNearestOrEven), height: whole(height, .toNearestOrEven))
        let pixels = rounded.width * rounded.height
        if pixels > pixelCount.upperBound {
            let scale = (height * width / Double(pixelCount.upperBound)).squareRoot()
            return PictureSize(
                width: max(patchSize * mergeSize, whole(width / scale, .down)),
                height: max(patchSize * mergeSize, whole(height / scale, .down))
            )
        }
        if pixels < pixelCount.lowerBound {
            let scale = (Double(pixelCount.lowerBound) / (height * width)).squareRoot()
            return PictureSize(width: whole(width * scale, .up), height: whole(height * scale, .up))
        }
        return rounded
    }

    /// The grid of a picture, or of a video of so many frames of this size.
    func grid(of picture: PictureSize, frames: Int = 1) -> PatchGrid {
        let size = size(of: picture)
        return PatchGrid(
            frames: patchesInTime(frames: frames),
            rows: size.height / patchSize,
            columns: size.width / patchSize
        )
    }

    /// The last patch may lack frames.
    func patchesInTime(frames: Int) -> Int { (frames + temporalPatchSize - 1) / temporalPatchSize }

    // MARK: Pixels

    /// One picture, whose proportions have been checked.
    func callAsFunction(_ picture: PixelImage) -> PatchedPicture {
        patches(of: [picture], like: PictureSize(width: picture.width, height: picture.height))
    }

    /// Frames, brought to one size; the last is repeated until patches are full.
    /// - Parameters:
    ///   - frames: a picture, or a video, or whole patches of one
    ///   - first: size of the picture, or of the video's first frame
    func patches(of frames: [PixelImage], like first: PictureSize) -> PatchedPicture {
        let (size, grid) = (size(of: first), grid(of: first, frames: frames.count))
        let patchWidth = 3 * temporalPatchSize * patchSize * patchSize
        var patches = Tensor.uninitialized([grid.patches, patchWidth])
        patches.withUnsafeMutableBufferPointer { patches in
            for (index, frame) in frames.enumerated() {
                let resized = frame.resized(width: size.width, height: size.height, filter: filter)
                // The last frame also takes the places behind it in its patches.
                let place = index % temporalPatchSize
                let end = index == frames.count - 1 ? temporalPatchSize : place + 1
                let start = index / temporalPatchSize * grid.patchesPerFrame * patchWidth
                write(resized, grid, into: patches, from: start, places: place..<end)
            }
        }
        return PatchedPicture(patches: patches, grid: grid)
    }

    /// Writes one frame to `places` of the patches from element `first` on. Patches lie token by token, the patches of a
    /// token row by row; a patch is [channel, place, y, x].
    private func write(
        _ frame: PixelImage,
        _ grid: PatchGrid,
        into patches: UnsafeMutableBufferPointer<Float>,
        from first: Int,
        places: Range<Int>
    ) {
        let frameWidth = patchSize * patchSize
        let rowBytes = 3 * frame.width
        var patch = first
        frame.pixels.withUnsafeBufferPointer { pixels in
            normalization.values.withUnsafeBufferPointer { values in
                for (row, column) in placesOfPatches(grid) {
                    let corner = row * patchSize * rowBytes + column * patchSize * 3
                    for channel in 0..<3 {
                        var target = patch + (channel * temporalPatchSize + places.lowerBound) * frameWidth
                        let start = target
                        for y in 0..<patchSize {
                            var source = corner + y * rowBytes + channel
                            for _ in 0..<patchSize {
                                patches[target] = values[channel * 256 + Int(pixels[source])]
                                target += 1
                                source += 3
                            }
                        }
                        for place in places.dropFirst() {
                            let copy = patch + (channel * temporalPatchSize + place) * frameWidth
                            for index in 0..<frameWidth { patches[copy + index] = patches[start + index] }
                        }
                    }
                    patch += 3 * temporalPatchSize * frameWidth
                }
            }
        }
    }

    /// Row and column of every patch of a frame, in their order.
    private func placesOfPatches(_ grid: PatchGrid) -> [(row: Int, column: Int)] {
        var places: [(row: Int, column: Int)] = []
        places.reserveCapacity(grid.patchesPerFrame)
        for top in stride(from: 0, to: grid.rows, by: mergeSize) {
            for left in stride(from: 0, to: grid.columns, by: mergeSize) {
                for row in top..<(top + mergeSize) {
                    for column in left..<(left + mergeSize) { places.append((row, column)) }
                }
            }
        }
        return places
    }
}
