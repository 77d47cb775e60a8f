import Checkpoints
import Foundation
import Networks
import Tensors

/// A Sana folder: `transformer/`, `vae/` and `scheduler/`.
struct SanaFolder: LatentDiffusionFolder {
    typealias Network = SanaTransformer
    typealias Autoencoder = AutoencoderDCDecoder

    static let subfolder = "transformer"
    static let networkName = "transformer"

    let url: URL

    static func summary(of config: SanaTransformerConfig) -> String { "Sana: \(config.layers) layers" }

    static func computed(_ reader: ParameterReader) -> ParameterReader { reader.roundedToBFloat16 }
}

extension SanaTransformerConfig: LatentDenoiserConfig {
    var conditionWidth: Int { captionWidth }
    var sampleWidth: Int { sampleSize }
    var sampleHeight: Int { sampleSize }
    var latentMultiple: Int { patchSize }
}

extension SanaTransformer: LatentDenoiser {
    func keyValues(of conditions: Tensor) -> ConditionKeyValues { keyValues(of: conditions, masks: nil) }
}

extension AutoencoderDCConfig: LatentDecoderConfig {}

extension AutoencoderDCDecoder: LatentDecoder {
    func decode(_ latents: Tensor) -> Tensor { decode(latents, tiled: true) }
}
