import Checkpoints
import Images
import Samplers
import Tensors

/// What a network predicts from latents [rows, height, width, channels] at one timestep: the same shape.
typealias Denoiser = @Sendable (_ latents: Tensor, _ timestep: Float) -> Tensor

/// A denoiser of latents and the autoencoder that makes pictures of them: what turns conditions into pictures, whoever
/// makes the conditions. Immutable, shared by all runs.
protocol LatentDiffusion: Sendable {
    var scheduler: any Scheduler { get }
    var latentChannels: Int { get }
    /// Components of a condition's tokens.
    var conditionWidth: Int { get }
    /// Pixels a latent position stands for, along each side: what the sides of a picture are multiples of.
    var sizeMultiple: Int { get }
    /// How many latent positions the sides of the latents are multiples of, so that the denoiser's halvings divide them.
    var latentMultiple: Int { get }
    /// The size at which the denoiser was trained.
    var defaultSize: PictureSize { get }

    var weightBytes: Int { get }
    /// Tells whether a saved run belongs to this model.
    var fingerprint: Fingerprint { get }

    /// The denoiser once it has read its conditions, which are the same at every step.
    /// - Parameters:
    ///   - conditions: [conditions, tokens, conditionWidth]
    ///   - rows: the condition of every row of a step, by its place
    func denoiser(reading conditions: Tensor, rows: [Int]) -> Denoiser

    /// [1, height, width, latentChannels] → [1, height × sizeMultiple, width × sizeMultiple, 3] in about −1…1
    func pictures(of latents: Tensor) -> Tensor
}

extension LatentDiffusion {
    /// Values in the latents of one picture.
    func latentCount(of size: PictureSize) -> Int {
        latentChannels * (size.width / sizeMultiple) * (size.height / sizeMultiple)
    }

    /// [count, height, width, channels]
    func tensor(_ latents: [Latents], _ size: PictureSize) -> Tensor {
        Latents.tensor(
            latents,
            channels: latentChannels,
            height: size.height / sizeMultiple,
            width: size.width / sizeMultiple
        )
    }

    func decode(_ latents: Latents, _ size: PictureSize) -> PixelImage {
        PixelImage(normalized: pictures(of: tensor([latents], size)))
    }

    // MARK: Sizes

    /// What the sides of a picture that is asked for are multiples of.
    var requestMultiple: Int { sizeMultiple * latentMultiple }

    /// Twice the size of the training a side: beyond it pictures only repeat themselves, and attention grows with the
    /// fourth power.
    var maximumSize: PictureSize {
        PictureSize(width: 2 * defaultSize.width, height: 2 * defaultSize.height)
    }

    /// - Throws: `PipelineError.invalidRequest` for a size that can't be drawn
    func check(_ size: PictureSize) throws {
        let (multiple, most) = (requestMultiple, maximumSize)
        let isFine = [(size.width, most.width), (size.height, most.height)].allSatisfy { side, maximum in
            side >= multiple && side <= maximum && side.isMultiple(of: multiple)
        }
        try PipelineError.require(
            isFine,
            "size",
            "must be multiples of \(multiple), at most \(most.width)x\(most.height)"
        )
    }
}
