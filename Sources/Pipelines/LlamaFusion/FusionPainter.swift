import Images
import Networks
import Tensors

/// Between pictures and the latents that a fusion model reads and draws. Immutable, shared by all runs.
struct FusionPainter: Sendable {
    let network: FusionImageModel
    let autoencoder: AutoencoderKL

    private var config: PatchifierConfig { network.config }

    /// Of the pictures that are drawn and read.
    var pictureSize: PictureSize {
        let side = config.latentSize * autoencoder.config.downscaling
        return PictureSize(width: side, height: side)
    }

    /// Tokens of a picture.
    var tokens: Int { config.tokens }

    /// Values in the latents of one picture.
    var latentCount: Int { config.latentChannels * config.latentSize * config.latentSize }

    /// Clean latents of a given picture.
    func encode(_ picture: PixelImage) -> Latents {
        Latents(autoencoder.encode(picture.fitted(pictureSize).normalized), item: 0)
    }

    func decode(_ latents: Latents) -> PixelImage {
        PixelImage(normalized: autoencoder.decode(tensor([latents])))
    }

    /// [count, size, size, channels]
    func tensor(_ latents: [Latents]) -> Tensor {
        let size = config.latentSize
        return Latents.tensor(latents, channels: config.latentChannels, height: size, width: size)
    }
}
