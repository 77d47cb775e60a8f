import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@testable import Networks

private let hasGoldens = GoldenData.isHere("metaquery_llavaov_sana")

@Suite struct AutoencoderDCTests {
    private static let folder = GoldenData.url(
        "metaquery_llavaov_sana/components/Efficient-Large-Model/Sana_tiny_diffusers/vae"
    )

    private func golden() throws -> (GoldenCase, AutoencoderDC) {
        let url = Self.folder.appending(path: "config.json")
        let config = try ConfigurationFile.decode(AutoencoderDCConfig.self, at: url)
        let expected = try GoldenCase("units/modules", tensors: "autoencoder_dc.safetensors")
        return (expected, try Checkpoint(Self.folder).load { AutoencoderDC(config, $0) })
    }

    private func expect(_ tensor: Tensor, _ golden: GoldenCase, _ name: String) throws {
        let expected = try golden.tensor(name).permuted([0, 2, 3, 1])
        #expect(tensor.shape == expected.shape)
        let deviation = deviation(tensor, from: expected)
        #expect(deviation < 2e-5, "\(name) is off by \(deviation) × scale")
    }

    private func input(_ golden: GoldenCase, _ name: String) throws -> Tensor {
        try golden.tensor(name).permuted([0, 2, 3, 1])
    }

    @Test(.enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"))
    func encode_equalsTheReference() throws {
        let (golden, autoencoder) = try golden()
        let latents = autoencoder.encode(try input(golden, "image"))
        try expect(latents.scaled(by: 1 / Float(autoencoder.config.scalingFactor)), golden, "latent")
        var hidden = autoencoder.encoder.start(try input(golden, "image"))
        for (index, stage) in autoencoder.encoder.stages.enumerated() {
            hidden = stage(hidden)
            try expect(hidden, golden, "tap.encoder.down_blocks.\(index)")
        }
    }

    @Test(.enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"))
    func decode_equalsTheReference() throws {
        let (golden, autoencoder) = try golden()
        let latents = try input(golden, "z")
        let scaled = latents.scaled(by: Float(autoencoder.config.scalingFactor))
        try expect(autoencoder.decode(scaled), golden, "decoded")
        let decoder = autoencoder.decoder.decoder
        for (index, stage) in decoder.stages.reversed().enumerated().reversed() {
            let below = decoder.stages.count - 1 - index
            let hidden = decoder.stages[..<below].reduce(decoder.start(latents)) { $1($0) }
            try expect(stage(hidden), golden, "tap.decoder.up_blocks.\(index)")
        }
    }

    @Test(.enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"))
    func decoder_isLoadedAlone() throws {
        let (_, autoencoder) = try golden()
        let alone = try Checkpoint(Self.folder).load(keys: AutoencoderDCDecoder.keys) {
            AutoencoderDCDecoder(autoencoder.config, $0)
        }
        let latents = noise([1, 2, 3, 8], seed: 1)
        #expect(alone.decode(latents).array == autoencoder.decode(latents).array)
    }

    // MARK: Any configuration

    /// Eight times down, attention at the latents' resolution.
    private static let tiny: [String: any Sendable] = [
        "in_channels": 3, "latent_channels": 4, "attention_head_dim": 4, "scaling_factor": 0.5,
        "encoder_block_out_channels": [8, 8, 16, 16], "decoder_block_out_channels": [8, 8, 16, 16],
        "encoder_block_types": ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
        "decoder_block_types": ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
        "encoder_layers_per_block": [1, 1, 1, 1], "decoder_layers_per_block": [1, 1, 1, 2],
        "encoder_qkv_multiscales": [[], [], [], [5]] as [[Int]],
        "decoder_qkv_multiscales": [[], [], [], [5, 3]] as [[Int]],
        "downsample_block_type": "Conv", "upsample_block_type": "interpolate",
    ]

    private func config(_ changes: [String: any Sendable] = [:]) throws -> AutoencoderDCConfig {
        let data = try JSONSerialization.data(withJSONObject: Self.tiny.merging(changes) { $1 })
        return try ConfigurationFile.decode(AutoencoderDCConfig.self, from: data, file: "config.json")
    }

    private func randomAutoencoder(_ changes: [String: any Sendable] = [:]) throws -> AutoencoderDC {
        AutoencoderDC(try config(changes), RandomParameters(dtype: .float32).reader)
    }

    private static let variants: [[String: any Sendable]] = [
        [:], ["downsample_block_type": "pixel_unshuffle", "upsample_block_type": "pixel_shuffle"],
        ["encoder_layers_per_block": [0, 1, 1, 1], "decoder_layers_per_block": [0, 1, 1, 1]],
        [
            "encoder_layers_per_block": [0, 1, 1, 1], "decoder_layers_per_block": [0, 1, 1, 1],
            "downsample_block_type": "pixel_unshuffle", "upsample_block_type": "pixel_shuffle",
            "decoder_act_fns": ["relu", "gelu", "swish", "silu"],
        ],
    ]

    @Test(arguments: variants.indices) func pictures_doNotDependOnTheirNeighbours(variant: Int) throws {
        let autoencoder = try randomAutoencoder(Self.variants[variant])
        let latents = noise([8, 3, 5, 4], seed: 3)
        let pictures = noise([8, 16, 24, 3], seed: 4)
        let decodedAlone = (0..<8).map { autoencoder.decode(latents[$0..<($0 + 1)]).array }
        let encodedAlone = (0..<8).map { autoencoder.encode(pictures[$0..<($0 + 1)]).array }
        for batch in 2...8 {
            let decoded = autoencoder.decode(latents[0..<batch])
            let encoded = autoencoder.encode(pictures[0..<batch])
            #expect(decoded.shape == [batch, 24, 40, 3] && encoded.shape == [batch, 2, 3, 4])
            for item in 0..<batch {
                #expect(decoded[item: item] == decodedAlone[item], "decoded item \(item) of \(batch)")
                #expect(encoded[item: item] == encodedAlone[item], "encoded item \(item) of \(batch)")
            }
        }
    }

    @Test func tiles_leaveNoSeams() throws {
        let autoencoder = try randomAutoencoder()
        let latents = noise([1, 80, 96, 4], seed: 9)  // 640 × 768 pixels
        let whole = autoencoder.decode(latents, tiled: false)
        let tiled = autoencoder.decode(latents)
        #expect(tiled.shape == [1, 640, 768, 3])
        // Attention has seen the whole, and what the margins of tiles don't see counts for nothing.
        #expect(deviation(tiled, from: whole) < 1e-5)
        #expect(tiled.array != whole.array, "nothing was tiled")
    }

    @Test func batchNorm_keepsTheMomentsOfItsTraining() throws {
        let contents: [(name: String, shape: [Int], values: [Float])] = [
            ("weight", [2], [2, 3]), ("bias", [2], [1, -1]), ("running_mean", [2], [5, 7]),
            ("running_var", [2], [4, 0.25]), ("num_batches_tracked", [], [1]),
        ]
        let norm = try withTemporaryFolder { folder in
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            return try Checkpoint(folder).load { ChannelNorm($0, .batch, 2) }
        }
        var x = Tensor([5, 7, 9, 8], shape: [1, 1, 2, 2])
        norm.normalize(&x, adding: Tensor([10, 20, 30, 40], shape: x.shape))
        // (9 − 5) / √(4 + 1e-5) × 2 + 1 + 30; (8 − 7) / √(0.25 + 1e-5) × 3 − 1 + 40
        #expect(deviation(x.array, from: [11, 19, 34.999995, 44.99988]) < 1e-6)
    }

    // MARK: Configuration

    private func expectRefused(_ key: String, _ value: any Sendable) {
        expectRefusal(of: key) { _ = try config([key: value]) }
    }

    @Test func config_refusesUnsupportedSettingsByName() {
        expectRefused("in_channels", 4)
        expectRefused("encoder_block_types", "ConvNeXt")
        expectRefused("decoder_block_types", ["ResBlock", "ResBlock", "ResBlock", "ViT"])
        expectRefused("decoder_norm_types", "layer_norm")
        expectRefused("decoder_act_fns", "mish")
        expectRefused("downsample_block_type", "average")
        expectRefused("upsample_block_type", "bilinear")
        expectRefused("encoder_out_shortcut", false)
        expectRefused("decoder_in_shortcut", false)
        expectRefused("decoder_conv_act_fn", "silu")
    }

    @Test func config_refusesWhatNoNetworkCanHave() {
        expectRefused("latent_channels", 0)
        expectRefused("latent_channels", 5)
        expectRefused("encoder_block_out_channels", [Int]())
        expectRefused("encoder_block_out_channels", [8, 8, 16, -16])
        expectRefused("encoder_block_out_channels", [8, 8, 12, 16])
        expectRefused("decoder_block_out_channels", [8, 8, 16, 1 << 20])
        expectRefused("encoder_layers_per_block", [1, 1, 1])
        expectRefused("encoder_layers_per_block", [1, 0, 1, 1])
        expectRefused("decoder_layers_per_block", [1, 1, 1, 65])
        expectRefused("decoder_qkv_multiscales", [[], [], [], [4]] as [[Int]])
        expectRefused("encoder_qkv_multiscales", [[5]])
        expectRefused("decoder_block_types", ["ResBlock"])
        expectRefused("attention_head_dim", 17)
        expectRefused("scaling_factor", 0)
        expectRefused("scaling_factor", "half")
    }

    @Test func config_hasTheDefaultsOfDiffusers() throws {
        let config = try ConfigurationFile.decode(AutoencoderDCConfig.self, from: Data("{}".utf8), file: "config.json")
        #expect(config.encoder.map(\.channels) == [128, 256, 512, 512, 1024, 1024])
        #expect(config.encoder.map(\.layers) == [2, 2, 2, 3, 3, 3])
        #expect(config.decoder.map(\.layers) == [3, 3, 3, 3, 3, 3])
        #expect(config.latentChannels == 32 && config.downscaling == 32 && config.scalingFactor == 1)
        #expect(config.downsampling == .pixelUnshuffle && config.upsampling == .pixelShuffle)
    }

    @Test(.enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"))
    func checkpoint_thatDoesNotFitIsListed() throws {
        let data = try Data(contentsOf: Self.folder.appending(path: "config.json"))
        var json = try #require(JSONSerialization.jsonObject(with: data) as? [String: any Sendable])
        json["latent_channels"] = 16
        json["decoder_qkv_multiscales"] = [[], [], [3], [5]] as [[Int]]
        let changed = try JSONSerialization.data(withJSONObject: json)
        let config = try ConfigurationFile.decode(AutoencoderDCConfig.self, from: changed, file: "config.json")
        let problems = try Checkpoint(Self.folder).problems { AutoencoderDC(config, $0) }
        #expect(
            problems.map(\.key).sorted() == [
                "decoder.conv_in.weight", "decoder.up_blocks.2.1.attn.to_qkv_multiscale.0.proj_in.weight",
                "encoder.conv_out.bias", "encoder.conv_out.weight",
            ]
        )
    }
}
