import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@testable import Networks

private let hasGoldens = GoldenData.isHere("metaquery_llavaov_sana")

@Suite struct SanaTransformerTests {
    private static let folder = GoldenData.url(
        "metaquery_llavaov_sana/components/Efficient-Large-Model/Sana_tiny_diffusers/transformer"
    )

    private struct Golden {
        let network: SanaTransformer
        let expected: GoldenCase
        let latents: Tensor
        let timesteps: [Float]
        let conditions: Tensor

        init() throws {
            let url = folder.appending(path: "config.json")
            let config = try ConfigurationFile.decode(SanaTransformerConfig.self, at: url)
            network = try Checkpoint(folder).load { SanaTransformer(config, $0.roundedToBFloat16) }
            expected = try GoldenCase("units/modules", tensors: "sana_transformer.safetensors")
            latents = try expected.tensor("hidden_states").permuted([0, 2, 3, 1])
            timesteps = try expected.integers("timestep").map(Float.init)
            conditions = try expected.tensor("encoder_hidden_states")
        }

        func masks(_ name: String) throws -> [[Bool]] {
            let values = try expected.integers(name)
            return stride(from: 0, to: values.count, by: conditions.shape[1]).map { start in
                values[start..<start + conditions.shape[1]].map { $0 == 1 }
            }
        }

        func expect(_ tensor: Tensor, _ name: String) throws {
            let deviation = deviation(tensor.array, from: try expected.tensor(name).array)
            #expect(deviation < 2e-5, "\(name) is off by \(deviation) × scale")
        }
    }

    @Test(
        .enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"),
        arguments: [("encoder_attention_mask", "output"), ("encoder_attention_mask_b", "output_mask_b")]
    )
    func prediction_equalsTheReference(mask: String, output: String) throws {
        let golden = try Golden()
        let prediction = golden.network(
            golden.latents,
            timesteps: golden.timesteps,
            condition: golden.network.keyValues(of: golden.conditions, masks: try golden.masks(mask))
        )
        #expect(prediction.shape == golden.latents.shape)
        try golden.expect(prediction.permuted([0, 3, 1, 2]), output)
    }

    @Test(.enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"))
    func parts_equalTheReference() throws {
        let golden = try Golden()
        let network = golden.network
        let projected = network.projected(golden.conditions)
        try golden.expect(projected, "tap.caption_projection")
        try golden.expect(network.normalized(projected), "tap.caption_norm")
        let time = network.embedding(of: golden.timesteps)
        let modulation = network.modulation(of: time)
        try golden.expect(modulation, "tap.time_embed")
        let (batch, height, width) = (golden.latents.shape[0], golden.latents.shape[1], golden.latents.shape[2])
        var hidden = network.patchEmbedding(golden.latents).reshaped([batch, height, width, network.config.width])
        try golden.expect(hidden, "tap.patch_embed")
        let masks = try golden.masks("encoder_attention_mask")
        let condition = network.keyValues(of: golden.conditions, masks: masks)[transformer: 0]
        for (index, block) in network.blocks.enumerated() {
            hidden = block(hidden, modulation: modulation, condition: condition[index])
            try golden.expect(hidden, "tap.transformer_blocks.\(index)")
        }
        try golden.expect(network.normalized(hidden, time: time), "tap.norm_out")
    }

    // MARK: Any size

    private static let tiny: [String: any Sendable] = [
        "in_channels": 4, "out_channels": 5, "num_attention_heads": 3, "attention_head_dim": 16,
        "num_cross_attention_heads": 2, "cross_attention_head_dim": 24, "cross_attention_dim": 48, "num_layers": 2,
        "caption_channels": 20, "mlp_ratio": 2.5, "sample_size": 8,
    ]

    private func config(_ changes: [String: any Sendable] = [:]) throws -> SanaTransformerConfig {
        let data = try JSONSerialization.data(withJSONObject: Self.tiny.merging(changes) { $1 })
        return try ConfigurationFile.decode(SanaTransformerConfig.self, from: data, file: "config.json")
    }

    private func randomNetwork(_ changes: [String: any Sendable] = [:]) throws -> SanaTransformer {
        SanaTransformer(try config(changes), RandomParameters(dtype: .float32).reader)
    }

    @Test func rows_doNotDependOnTheirNeighbours() throws {
        let network = try randomNetwork()
        let latents = noise([8, 6, 7, 4], seed: 1)
        let conditions = noise([8, 11, 20], seed: 2)
        let masks = (0..<8).map { item in (0..<11).map { $0 >= item } }
        let timesteps = (0..<8).map { Float(100 * $0 + 1) }
        let alone = (0..<8).map { item in
            let range = item..<item + 1
            let condition = network.keyValues(of: conditions[range], masks: [masks[item]])
            return network(latents[range], timesteps: [timesteps[item]], condition: condition).array
        }
        for batch in 2...8 {
            let output = network(
                latents[0..<batch],
                timesteps: Array(timesteps[..<batch]),
                condition: network.keyValues(of: conditions[0..<batch], masks: Array(masks[..<batch]))
            )
            #expect(output.shape == [batch, 6, 7, 5])
            for item in 0..<batch { #expect(output[item: item] == alone[item], "item \(item) of \(batch)") }
        }
    }

    @Test func maskedTokens_leaveNoTrace() throws {
        let network = try randomNetwork()
        let latents = noise([1, 4, 5, 4], seed: 3)
        func prediction(_ conditions: Tensor, _ mask: [Bool]?) -> [Float] {
            let condition = network.keyValues(of: conditions, masks: mask.map { [$0] })
            return network(latents, timesteps: [7], condition: condition).array
        }
        let conditions = noise([1, 6, 20], seed: 4)
        var changed = conditions
        changed.withUnsafeMutableBufferPointer { values in
            for index in 20..<40 { values[index] += 1 }
        }
        let mask = [true, false, true, true, false, true]
        #expect(prediction(conditions, mask) == prediction(changed, mask))
        #expect(prediction(conditions, nil) != prediction(changed, nil))
        #expect(prediction(conditions, mask) != prediction(conditions, nil))
        let all = Array(repeating: true, count: 6)
        #expect(prediction(conditions, all) == prediction(conditions, nil))
        #expect(prediction(conditions, all.map { !$0 }) == prediction(conditions, nil))
    }

    @Test func conditions_arePickedByRow() throws {
        let network = try randomNetwork()
        let latents = noise([1, 4, 4, 4], seed: 5)
        let conditions = network.keyValues(of: noise([2, 9, 20], seed: 6))
        func predictions(_ items: [Int]) -> [[Float]] {
            let output = network(
                .concatenated(Array(repeating: latents, count: items.count), axis: 0),
                timesteps: Array(repeating: 900, count: items.count),
                condition: conditions.picking(items)
            )
            return items.indices.map { output[item: $0] }
        }
        let (first, second) = (predictions([0])[0], predictions([1])[0])
        #expect(first != second)
        #expect(predictions([1, 0, 1]) == [second, first, second])
    }

    @Test func patches_giveTheLatentsTheirSizeBack() throws {
        let network = try randomNetwork(["patch_size": 2])
        let condition = network.keyValues(of: noise([1, 3, 20], seed: 7))
        let output = network(noise([1, 8, 6, 4], seed: 8), timesteps: [3], condition: condition)
        #expect(output.shape == [1, 8, 6, 5])
        #expect(output.array.allSatisfy { $0.isFinite })
    }

    @Test func weights_areRoundedWhereAsked() throws {
        let config = try config()
        let exact = SanaTransformer(config, RandomParameters(dtype: .float32).reader)
        let rounded = SanaTransformer(config, RandomParameters(dtype: .float32).reader.roundedToBFloat16)
        func prediction(_ network: SanaTransformer) -> Tensor {
            let condition = network.keyValues(of: noise([1, 3, 20], seed: 9))
            return network(noise([1, 4, 4, 4], seed: 10), timesteps: [500], condition: condition)
        }
        let deviation = deviation(prediction(rounded), from: prediction(exact))
        // A bfloat16 has 8 bits.
        #expect(deviation > 1e-4 && deviation < 5e-2)
    }

    // MARK: Configuration

    private func expectRefused(_ key: String, _ value: any Sendable) {
        expectRefusal(of: key) { _ = try config([key: value]) }
    }

    @Test func config_refusesUnsupportedSettingsByName() {
        expectRefused("norm_elementwise_affine", true)
        expectRefused("guidance_embeds", true)
        expectRefused("interpolation_scale", 2)
        expectRefused("qk_norm", "rms_norm_across_heads")
        expectRefused("timestep_scale", 1000)
        expectRefused("cross_attention_dim", NSNull())
    }

    @Test func config_refusesWhatNoNetworkCanHave() {
        expectRefused("in_channels", 0)
        expectRefused("num_attention_heads", 65536 * 2)
        expectRefused("num_attention_heads", "three")
        expectRefused("num_cross_attention_heads", 3)
        expectRefused("cross_attention_dim", 50)
        expectRefused("mlp_ratio", 0.001)
        expectRefused("mlp_ratio", 2000)
        expectRefused("patch_size", 0)
        expectRefused("num_layers", -1)
        expectRefused("norm_eps", -1)
        expectRefused("caption_channels", "wide")
    }

    @Test func config_hasTheDefaultsOfDiffusers() throws {
        let config = try ConfigurationFile.decode(
            SanaTransformerConfig.self,
            from: Data("{}".utf8),
            file: "config.json"
        )
        #expect(config.width == 2240 && config.layers == 20 && config.heads == 70 && config.crossHeads == 20)
        #expect(config.feedForwardWidth == 5600 && config.captionWidth == 2304)
        #expect(config.inputChannels == 32 && config.outputChannels == 32 && config.patchSize == 1)
        #expect(!config.hasAttentionBias && config.normEpsilon == 1e-6)
    }

    @Test(.enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"))
    func checkpoint_thatDoesNotFitIsListed() throws {
        let data = try Data(contentsOf: Self.folder.appending(path: "config.json"))
        var json = try #require(JSONSerialization.jsonObject(with: data) as? [String: any Sendable])
        json["caption_channels"] = 57
        json["attention_bias"] = true
        let changed = try JSONSerialization.data(withJSONObject: json)
        let config = try ConfigurationFile.decode(SanaTransformerConfig.self, from: changed, file: "config.json")
        let problems = try Checkpoint(Self.folder).problems { SanaTransformer(config, $0.roundedToBFloat16) }
        #expect(problems.count == 1 + 2 * 3)
        #expect(problems.contains { $0.key == "caption_projection.linear_1.weight" })
    }
}
