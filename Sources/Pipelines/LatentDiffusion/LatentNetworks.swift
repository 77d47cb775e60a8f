import Checkpoints
import Networks
import Tensors

// What the networks of a latent diffusion model are, whatever their architecture.

/// Predicts what is to be taken away from noisy latents under a condition.
protocol LatentDenoiser: Sendable {
    associatedtype Config: LatentDenoiserConfig

    var config: Config { get }

    init(_ config: Config, _ reader: ParameterReader)

    /// Keys and values of conditions [items, tokens, conditionWidth], for every step of a run.
    func keyValues(of conditions: Tensor) -> ConditionKeyValues

    /// [batch, height, width, inputChannels] → [batch, height, width, outputChannels]
    /// - Parameters:
    ///   - timesteps: one an item
    ///   - condition: one an item
    func callAsFunction(_ latents: Tensor, timesteps: [Float], condition: ConditionKeyValues) -> Tensor
}

protocol LatentDenoiserConfig: Sendable, Decodable {
    var inputChannels: Int { get }
    var outputChannels: Int { get }
    /// Components of a condition's tokens.
    var conditionWidth: Int { get }
    /// Of the latents that it was trained on.
    var sampleWidth: Int { get }
    var sampleHeight: Int { get }
    /// How many latent positions the sides of the latents are multiples of.
    var latentMultiple: Int { get }
}

extension LatentDenoiserConfig {
    /// The size of the pictures that it was trained on.
    /// - Parameter downscaling: pixels a latent position stands for, along each side
    func pictureSize(downscaling: Int) -> PictureSize {
        PictureSize(width: sampleWidth * downscaling, height: sampleHeight * downscaling)
    }
}

/// The half of an autoencoder that makes pictures of latents.
protocol LatentDecoder: Sendable {
    associatedtype Config: LatentDecoderConfig

    static var keys: KeyTable { get }
    var config: Config { get }

    init(_ config: Config, _ reader: ParameterReader)

    /// [batch, height, width, latentChannels] → [batch, height × downscaling, width × downscaling, 3] in about −1…1
    func decode(_ latents: Tensor) -> Tensor
}

protocol LatentDecoderConfig: Sendable, Decodable {
    var latentChannels: Int { get }
    /// Pixels a latent position stands for, along each side.
    var downscaling: Int { get }
}
