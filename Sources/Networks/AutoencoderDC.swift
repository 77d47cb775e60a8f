package import Checkpoints
package import Tensors

/// The deep compression autoencoder (arXiv 2410.10733), diffusers' `AutoencoderDC`: pictures ↔ latents of few positions
/// and many channels.
///
/// Pictures are [batch, height, width, 3] in −1…1; latents [batch, height / downscaling, width / downscaling, channels],
/// scaled as the diffusion model expects them.
package struct AutoencoderDC: Sendable {
    package let config: AutoencoderDCConfig
    let encoder: DCEncoder
    let decoder: AutoencoderDCDecoder

    package init(_ config: AutoencoderDCConfig, _ reader: ParameterReader) {
        self.config = config
        encoder = DCEncoder(config, reader["encoder"])
        decoder = AutoencoderDCDecoder(config, reader)
    }

    /// The latents of pictures whose sides are multiples of the downscaling.
    package func encode(_ pictures: Tensor) -> Tensor {
        encoder(pictures).scaled(by: Float(config.scalingFactor))
    }

    /// Latents → pictures; see `AutoencoderDCDecoder`.
    package func decode(_ latents: Tensor, tiled: Bool = true) -> Tensor { decoder.decode(latents, tiled: tiled) }
}

/// The half of `AutoencoderDC` that drawing needs, and half of its memory.
package struct AutoencoderDCDecoder: Sendable {
    package let config: AutoencoderDCConfig
    let decoder: DCDecoder

    /// Leaves out the encoder of a checkpoint that holds both.
    package static let keys = KeyTable(ignoredPrefixes: ["encoder."])

    package init(_ config: AutoencoderDCConfig, _ reader: ParameterReader) {
        self.config = config
        decoder = DCDecoder(config, reader["decoder"])
    }

    /// Latents → pictures, one after the other; `tiled` takes those above 512 pixels a side through the stages without
    /// attention in tiles.
    package func decode(_ latents: Tensor, tiled: Bool = true) -> Tensor {
        let pictures = (0..<latents.shape[0]).map { item in
            picture(latents[item..<item + 1].scaled(by: Float(1 / config.scalingFactor)), tiled: tiled)
        }
        return pictures.count == 1 ? pictures[0] : .concatenated(pictures, axis: 0)
    }

    private func picture(_ latents: Tensor, tiled: Bool) -> Tensor {
        let hidden = decoder.begin(latents)
        let upscaling = config.downscaling * latents.shape[1] / hidden.shape[1]
        let tiling = LatentTiling(downscaling: upscaling)
        return tiled && tiling.covers(hidden.shape) ? tiling.map(hidden, decoder.finish) : decoder.finish(hidden)
    }
}
