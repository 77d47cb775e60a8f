import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct UNet2DConditionTests {
    private static let stableDiffusion = GoldenData.folder
        .appending(path: "metamorph/components/stable-diffusion-v1-5/stable-diffusion-v1-5/unet")
    /// Linear projections, heads, layers and depths by block, latents of odd sides; see its make.py.
    private static let variant = GoldenData.folder.appending(path: "units/unet_variant")

    private func network(_ folder: URL) throws -> UNet2DCondition {
        let url = folder.appending(path: "config.json")
        let config = try ConfigurationFile.decode(UNet2DConditionConfig.self, at: url)
        return try Checkpoint(folder).load { UNet2DCondition(config, $0) }
    }

    private func expectReference(_ golden: GoldenCase, _ network: UNet2DCondition) throws {
        let output = network(
            try golden.tensor("sample").permuted([0, 2, 3, 1]),
            timesteps: try golden.integers("timestep").map(Float.init),
            condition: network.keyValues(of: try golden.tensor("encoder_hidden_states"))
        )
        let expected = try golden.tensor("output").permuted([0, 2, 3, 1])
        #expect(output.shape == expected.shape)
        let deviation = deviation(output, from: expected)
        #expect(deviation < 2e-5, "off by \(deviation) × scale")
    }

    @Test(arguments: ["unet", "unet_nonsquare"])
    func prediction_equalsTheReference(name: String) throws {
        let golden = try GoldenCase("units/modules", tensors: "\(name).safetensors")
        try expectReference(golden, network(Self.stableDiffusion))
    }

    @Test func prediction_withOtherSettingsAndOddSides_equalsTheReference() throws {
        try expectReference(GoldenCase("units/unet_variant"), network(Self.variant))
    }

    @Test func rows_doNotDependOnTheirNeighbours() throws {
        let network = try network(Self.stableDiffusion)
        let latents = noise([8, 6, 7, 4], seed: 1)
        let conditions = noise([8, 11, 48], seed: 2)
        let timesteps = (0..<8).map { Float(100 * $0 + 1) }
        let alone = (0..<8).map { item in
            let condition = network.keyValues(of: conditions[item..<(item + 1)])
            return network(latents[item..<(item + 1)], timesteps: [timesteps[item]], condition: condition).array
        }
        for batch in 2...8 {
            let output = network(
                latents[0..<batch],
                timesteps: Array(timesteps[..<batch]),
                condition: network.keyValues(of: conditions[0..<batch])
            )
            for item in 0..<batch {
                #expect(output[item: item] == alone[item], "item \(item) of \(batch)")
            }
        }
    }

    @Test func conditions_arePickedByRow() throws {
        let network = try network(Self.stableDiffusion)
        let latents = noise([1, 8, 8, 4], seed: 3)
        let conditions = network.keyValues(of: noise([2, 11, 48], seed: 4))
        func predictions(_ items: [Int]) -> [[Float]] {
            let output = network(
                .concatenated(Array(repeating: latents, count: items.count), axis: 0),
                timesteps: Array(repeating: 7, count: items.count),
                condition: conditions.picking(items)
            )
            return items.indices.map { output[item: $0] }
        }
        let (first, second) = (predictions([0])[0], predictions([1])[0])
        #expect(first != second)
        #expect(predictions([1, 0, 1]) == [second, first, second])
    }

    // MARK: Configuration

    private func config(_ changes: [String: any Sendable]) throws -> UNet2DConditionConfig {
        let data = try Data(contentsOf: Self.stableDiffusion.appending(path: "config.json"))
        let original = try #require(JSONSerialization.jsonObject(with: data) as? [String: any Sendable])
        let changed = try JSONSerialization.data(withJSONObject: original.merging(changes) { $1 })
        return try ConfigurationFile.decode(UNet2DConditionConfig.self, from: changed, file: "config.json")
    }

    private func expectRefused(_ key: String, _ value: any Sendable) {
        expectRefusal(of: key) { _ = try config([key: value]) }
    }

    @Test func config_refusesUnsupportedSettingsByName() {
        for key in [
            "class_embed_type", "addition_embed_type", "encoder_hid_dim_type", "cross_attention_norm",
            "time_embedding_act_fn", "timestep_post_act",
        ] {
            expectRefused(key, "something")
        }
        for key in ["num_class_embeds", "encoder_hid_dim", "num_attention_heads", "time_cond_proj_dim"] {
            expectRefused(key, 8)
        }
        for key in [
            "center_input_sample", "dual_cross_attention", "resnet_skip_time_act", "class_embeddings_concat",
            "only_cross_attention", "mid_block_only_cross_attention",
        ] {
            expectRefused(key, true)
        }
        expectRefused("only_cross_attention", [false, true])
        expectRefused("reverse_transformer_layers_per_block", [1, 1])
        expectRefused("mid_block_type", "UNetMidBlock2DSimpleCrossAttn")
        expectRefused("act_fn", "gelu")
        expectRefused("attention_type", "gated")
        expectRefused("resnet_time_scale_shift", "scale_shift")
        expectRefused("time_embedding_type", "fourier")
        expectRefused("downsample_padding", 0)
        expectRefused("conv_in_kernel", 1)
        expectRefused("conv_out_kernel", 1)
        expectRefused("mid_block_scale_factor", 2)
        expectRefused("resnet_out_scale_factor", 0.5)
    }

    @Test func config_refusesWhatNoNetworkCanHave() {
        expectRefused("block_out_channels", [Int]())
        expectRefused("block_out_channels", [16, -8])
        expectRefused("norm_num_groups", 7)
        expectRefused("attention_head_dim", 3)
        expectRefused("attention_head_dim", [4])
        expectRefused("attention_head_dim", 0)
        expectRefused("layers_per_block", [2, 0])
        expectRefused("layers_per_block", "two")
        expectRefused("transformer_layers_per_block", [[1], [1]])
        expectRefused("cross_attention_dim", [48, 48])
        expectRefused("down_block_types", ["DownBlock2D"])
        expectRefused("up_block_types", ["UpBlock2D", "AttnUpBlock2D"])
        expectRefused("sample_size", [8, 8, 8])
        expectRefused("freq_shift", 2)
    }

    @Test func config_readsTheSize() throws {
        #expect(try config(["sample_size": [6, 9]]).sampleHeight == 6)
        #expect(try config(["sample_size": [6, 9]]).sampleWidth == 9)
        #expect(try config(["sample_size": NSNull()]).sampleWidth == 64)
    }

    @Test func checkpoint_thatDoesNotFitIsListed() throws {
        let wider = try config(["cross_attention_dim": 50])
        let problems = try Checkpoint(Self.stableDiffusion).problems { UNet2DCondition(wider, $0) }
        // Keys and values of the transformers: two going down, one in the middle, three going up.
        #expect(problems.count == 2 * 6)
        #expect(problems.allSatisfy { $0.key.contains(".attn2.to_") })
        let linear = try config(["use_linear_projection": true])
        let projections = try Checkpoint(Self.stableDiffusion).problems { UNet2DCondition(linear, $0) }
        #expect(projections.count == 2 * 6)
    }
}
