package import Checkpoints
package import Tensors

/// LLaVA-OneVision (arXiv 2408.03326) and LLaVA-NeXT: a language model that reads what a vision tower sees of a picture's
/// tiles.
///
/// The features of a picture are those of the whole picture, small, and then those of its tiles, joined to one picture
/// again: row by row without the borders around it, a learned newline behind every row.
package struct LLaVA: Sendable {
    package let config: LLaVAConfig
    package let text: Llama
    private let tower: Tower
    private let linear1: Linear
    private let linear2: Linear
    /// [width of the language model]
    private let newline: Tensor

    private enum Tower: Sendable {
        case siglip(SigLIP)
        case clip(CLIPVision)

        /// [batch, size, size, 3] → [batch, patches, width]
        func callAsFunction(_ pictures: Tensor) -> Tensor {
            switch self {
            case .siglip(let network): network(pictures)
            case .clip(let network): network(pictures)
            }
        }
    }

    /// The names that transformers writes since 4.52, and since 5.0, become those from before. What is renamed may stand
    /// below the root of a larger checkpoint.
    package static let keys = KeyTable(
        renamed: [
            ("model.language_model.", "language_model.model."),
            ("model.vision_tower.", "vision_tower."),
            ("vision_tower.vision_model.", "vision_tower."),
            ("model.multi_modal_projector.", "multi_modal_projector."),
            ("model.image_newline", "image_newline"),
            // The first makes both names one, so that the second can't write its prefix twice.
            ("language_model.lm_head.", "lm_head."),
            ("lm_head.", "language_model.lm_head."),
        ],
        ignoredSuffixes: Llama.keys.ignoredSuffixes
    )

    /// - Parameters:
    ///   - reader: stands where `language_model` and `vision_tower` lie
    ///   - hasHead: false where the checkpoint has no `lm_head`; see `Llama`
    package init(_ config: LLaVAConfig, _ reader: ParameterReader, hasHead: Bool = true) {
        let vision = reader["vision_tower"]
        let projector = reader["multi_modal_projector"]
        let width = config.text.width
        self.config = config
        text = Llama(config.text, reader["language_model"], hasHead: hasHead)
        tower =
            switch config.tower {
            case .siglip(let siglip, let layers): .siglip(SigLIP(siglip, vision, output: .hiddenState(layers: layers)))
            case .clip(let clip, let layers): .clip(CLIPVision(clip, vision, layers: layers))
            }
        linear1 = Linear(projector["linear_1"], config.tower.encoder.width, width, bias: config.hasProjectorBias)
        linear2 = Linear(projector["linear_2"], width, width, bias: config.hasProjectorBias)
        newline = reader.tensor("image_newline", [width]).tensor()
    }

    /// What the language model sees of tiles or frames, each by itself: [batch, size, size, 3] → [batch, patches, width].
    package func features(of tiles: Tensor) -> Tensor {
        linear2(linear1(tower(tiles), activation: .gelu))
    }

    /// The features of one picture as they stand in a prompt: [features, width].
    /// - Parameters:
    ///   - tiles: features of the whole picture and of its tiles, row by row: [1 + tiles, patches, width]
    ///   - height: of the picture in pixels
    package func pictureFeatures(_ tiles: Tensor, height: Int, width: Int) -> Tensor {
        let (side, features) = (config.tower.encoder.gridSize, config.text.width)
        let grid = config.tiles.grid(height: height, width: width)
        let unpadded = config.unpadded(height: height, width: width)
        precondition(tiles.shape[0] == 1 + grid.rows * grid.columns, "\(tiles.shape) for \(grid)")
        let whole = tiles[0..<1].reshaped([side * side, features])
        // Of a thin enough strip nothing is left in the grid.
        guard unpadded.height > 0 else { return whole }
        var joined = tiles[1..<tiles.shape[0]]
            .reshaped([grid.rows, grid.columns, side, side, features])
            .permuted([0, 2, 1, 3, 4])  // [row, y, column, x, features]
            .reshaped([1, grid.rows * side, grid.columns * side, features])
            .cropped(rows: unpadded.rows, columns: unpadded.columns)
        if unpadded.isReduced {
            joined = joined.interpolatedBilinear(height: unpadded.height, width: unpadded.width)
        }
        let lines = newline.reshaped([1, features]).repeated(unpadded.height)
        let rows = Tensor.concatenated(
            [joined, lines.reshaped([1, unpadded.height, 1, features])],
            axis: 2
        )  // [1, height, width + 1, features]
        return .concatenated([whole, rows.reshaped([rows.count / features, features])], axis: 0)
    }

    /// The features of a video as they stand in a prompt, a quarter of a picture's for each frame: [frames, patches,
    /// width] → [features, width].
    package func videoFeatures(_ frames: Tensor) -> Tensor {
        let (side, features) = (config.tower.encoder.gridSize, config.text.width)
        let pooled = frames.reshaped([frames.shape[0], side, side, features])
            .interpolatedBilinear(height: config.pooledSize, width: config.pooledSize)
        return .concatenated(
            [pooled.reshaped([pooled.count / features, features]), newline.reshaped([1, features])],
            axis: 0
        )
    }
}

extension LLaVAConfig {
    fileprivate func unpadded(height: Int, width: Int) -> UnpaddedFeatures {
        UnpaddedFeatures(
            height: height,
            width: width,
            in: tiles.grid(height: height, width: width),
            side: tower.encoder.gridSize,
            limit: featureLimit
        )
    }

    /// Features a side of a video's frame.
    fileprivate var pooledSize: Int { (tower.encoder.gridSize + 1) / 2 }

    /// Rows that a picture takes in a prompt.
    package func pictureFeatureCount(height: Int, width: Int) -> Int {
        let unpadded = unpadded(height: height, width: width)
        return tower.encoder.gridSize * tower.encoder.gridSize + unpadded.height * (unpadded.width + 1)
    }

    /// Rows that a video takes in a prompt.
    package func videoFeatureCount(frames: Int) -> Int { frames * pooledSize * pooledSize + 1 }
}
