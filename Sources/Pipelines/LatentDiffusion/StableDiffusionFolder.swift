import Foundation
import Networks
import Tensors

typealias StableDiffusionModel = LatentDiffusionModel<StableDiffusionFolder>

/// A Stable Diffusion folder: `unet/`, `vae/` and `scheduler/`.
struct StableDiffusionFolder: LatentDiffusionFolder {
    typealias Network = UNet2DCondition
    typealias Autoencoder = AutoencoderKL

    static let subfolder = "unet"
    static let networkName = "UNet"

    let url: URL

    static func summary(of config: UNet2DConditionConfig) -> String { "UNet: \(config.blocks.count) resolutions" }
}

extension UNet2DConditionConfig: LatentDenoiserConfig {
    /// Every resolution but the last is halved.
    var latentMultiple: Int { 1 << (blocks.count - 1) }
}

extension UNet2DCondition: LatentDenoiser {}

extension AutoencoderKLConfig: LatentDecoderConfig {}

extension AutoencoderKL: LatentDecoder {
    func decode(_ latents: Tensor) -> Tensor { decode(latents, tiled: true) }
}
