import Checkpoints
import Images
import Networks
import Samplers
import Tensors

/// What renders visual tokens: the adapter and the Stable Diffusion that was tuned to read what it makes of them.
struct Visualizer: Sendable {
    let adapter: VisualizerAdapter
    let diffusion: StableDiffusionModel
    let weightBytes: Int
    /// Tells whether a saved run belongs to these weights.
    let fingerprint: Fingerprint

    /// - Throws: an error naming the file, tensor or JSON path that can't be used.
    init(_ folder: MetaMorphFolder, for config: MetaMorphConfig) throws {
        let adapterConfig = try folder.adapterConfig(for: config, folder.diffusion().networkConfig())
        let adapterWeights = try folder.adapterWeights()
        diffusion = try StableDiffusionModel(folder.diffusion(), network: folder.rendererWeights())
        adapter = try adapterWeights.load { VisualizerAdapter(adapterConfig, $0) }
        weightBytes = adapterWeights.byteCount + diffusion.weightBytes
        fingerprint = adapterWeights.fingerprint.combined(with: diffusion.fingerprint)
    }

    // MARK: Plans

    /// How pictures of one run are rendered, whatever they show.
    struct Plan: Sendable {
        /// One picture for each, from the same visual tokens.
        struct Order: Sendable {
            var seed: UInt64
            var guidanceScale: Double
        }

        let visualizer: Visualizer
        let schedule: DenoisingSchedule
        let size: PictureSize
        /// At least one.
        let orders: [Order]

        /// Steps of one rendering.
        var stepCount: Int { schedule.timesteps.count + orders.count }

        /// Whether these can be what it has rendered.
        func isFulfilled(by pictures: [GeneratedPicture]) -> Bool {
            pictures.map(\.seed) == orders.map(\.seed)
                && pictures.allSatisfy { $0.image.width == size.width && $0.image.height == size.height }
        }

        /// The finished pictures of a rendering; nil before its last step.
        func pictures(of rendering: LatentRendering) -> [GeneratedPicture]? {
            guard rendering.stage == .finished else { return nil }
            return zip(rendering.state.pictures, orders).map { GeneratedPicture(image: $0, seed: $1.seed) }
        }

        /// Guided away from a condition of zeros, as the authors' demo does it.
        func rendering(of tokens: VisualTokens) -> LatentRendering {
            let condition = visualizer.condition(of: tokens)  // [1, tokens, width]
            let both = Tensor.concatenated([.zeros(condition.shape), condition], axis: 0)
            return LatentRendering(
                visualizer.diffusion,
                orders.map {
                    LatentRendering.Order(
                        seed: $0.seed,
                        guidance: Guidance(full: 1, null: 0, scale: $0.guidanceScale)
                    )
                },
                size: size,
                schedule,
                conditions: both
            )
        }
    }

    /// [1, tokens, width]
    func condition(of tokens: VisualTokens) -> Tensor {
        adapter.condition(of: tokens.tensor(width: adapter.config.inputWidth))
    }
}
