import Networks

/// Where the tokens of a sequence stand in time, rows and columns: the M-RoPE positions of Qwen2.5-VL (transformers 4.49,
/// `get_rope_index`).
///
/// Text counts on along all three axes at once. A picture starts behind what is before it and spreads along rows and
/// columns from there; a video also along time, by the clock. What follows starts behind the farthest of its positions.
struct SpatialPositions: Sendable, Equatable {
    private(set) var times: [Int] = []
    private(set) var rows: [Int] = []
    private(set) var columns: [Int] = []
    /// The position of the next text token, along every axis.
    private(set) var next = 0

    /// Tokens so far.
    var count: Int { times.count }

    /// What has to be added to the place of a token that is generated behind these to have its position (`rope_deltas`).
    var offset: Int { next - count }

    /// As the language model takes them, of a sequence alone in its batch.
    var rotary: RotaryPositions { RotaryPositions(times: [times], rows: [rows], columns: [columns]) }

    mutating func appendText(_ tokens: Int) {
        let positions = next..<(next + tokens)
        times += positions
        rows += positions
        columns += positions
        next += tokens
    }

    /// - Parameter grid: of tokens, that is of merged patches
    mutating func appendPicture(_ grid: PatchGrid) {
        append(grid) { _ in 0 }
    }

    /// - Parameters:
    ///   - grid: of tokens, that is of merged patches
    ///   - clock: when the patches of a video are
    mutating func appendVideo(_ grid: PatchGrid, _ clock: VideoClock) {
        append(grid, clock.position(ofPatch:))
    }

    private mutating func append(_ grid: PatchGrid, _ time: (Int) -> Int) {
        guard grid.patches > 0 else { return }
        let start = next
        for frame in 0..<grid.frames {
            times += repeatElement(start + time(frame), count: grid.patchesPerFrame)
            for row in 0..<grid.rows {
                rows += repeatElement(start + row, count: grid.columns)
                columns += start..<(start + grid.columns)
            }
        }
        next = start + max(time(grid.frames - 1), grid.rows - 1, grid.columns - 1) + 1
    }
}

/// The absolute time of a video's patches: positions of the language model pass with seconds, not with frames.
struct VideoClock: Sendable, Equatable {
    /// From one patch to the next: `second_per_grid_ts`.
    let secondsPerPatch: Double
    /// Positions a second takes: `tokens_per_second` of the vision config.
    let tokensPerSecond: Double

    /// Frames a second that a video may have. With less, the last position of a long one would be beyond any context.
    static let frameRates = 0.01...1000.0

    /// - Parameters:
    ///   - framesPerSecond: of the frames that the model gets to see, within `frameRates`
    ///   - temporalPatchSize: frames of a patch
    init(framesPerSecond: Double, temporalPatchSize: Int, tokensPerSecond: Double) {
        precondition(Self.frameRates.contains(framesPerSecond), "\(framesPerSecond) frames a second")
        secondsPerPatch = Double(temporalPatchSize) / framesPerSecond
        self.tokensPerSecond = tokensPerSecond
    }

    /// Cut to an integer after products in float32, in the order of the reference.
    func position(ofPatch index: Int) -> Int {
        Int(Float(index) * Float(secondsPerPatch) * Float(tokensPerSecond))
    }
}
