import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct LlamaFusionTests {
    @Test(arguments: [
        (#""block_out_channels": [33, 66]"#, "33 is odd"), (#""norm_num_groups": 5"#, "does not divide"),
        (#""latent_size": 9"#, "latent_size"),
    ])
    func patchifierThatCannotBe_isRefused(change: String, reason: String) throws {
        let sound = [
            #""patchifier": "unet""#, #""latent_channels": 4"#, #""latent_size": 8"#, #""patch_size": 2"#,
            #""block_out_channels": [6, 12]"#, #""norm_num_groups": 3"#, #""attention_head_dim": 6"#,
        ]
        func config(_ fields: [String]) throws -> PatchifierConfig {
            try JSONDecoder().decode(PatchifierConfig.self, from: Data("{\(fields.joined(separator: ","))}".utf8))
        }
        #expect(try config(sound).blockChannels == [6, 12])
        let name = try #require(change.split(separator: ":").first)
        let fields = sound.filter { !$0.hasPrefix(name) } + [change]
        #expect { _ = try config(fields) } throws: { "\($0)".contains(reason) }
    }

    @Test(arguments: TestNetworks.models)
    func noise_equalsTheReference(model: String) throws {
        let network = try TestNetworks.llamaFusion(model)
        for name in ["text_to_image_unguided", "text_to_image"] {
            let golden = try GoldenCase("\(model)/cases/\(name)")
            let prefix = try golden.integers("prefix_ids")
            let branches = [[network.config.bosTokenID, network.config.boiTokenID], prefix].map {
                TestNetworks.prefill(network, $0)
            }
            let predicted = network.predictNoise(
                try golden.tensor("initial_latents").channelsLast,
                timestep: Float(try golden.integers("timesteps")[0]),
                branches: branches
            )
            let scale = Float(try golden.number("guidance_scale"))
            var guided = predicted[0].scaled(by: 1 - scale)
            guided.addScaled(predicted[1], by: scale)
            #expect(deviation(guided.channelsFirst, from: try golden.tensor("noise_pred_0")) < 5e-5)
        }
    }

    @Test(arguments: TestNetworks.models)
    func text_isBitEqualToTheLlamaCheckpointAlone(model: String) throws {
        struct Text: Decodable {
            var config: LlamaConfig
            enum CodingKeys: String, CodingKey { case config = "text_config" }
        }
        let folder = TestNetworks.folder(model)
        let config = try ConfigurationFile.decode(Text.self, at: folder.appending(path: "config.json")).config
        let keys = KeyTable(ignoredPrefixes: ["image_model."])
        let llama = try Checkpoint(folder).load(keys: keys) { Llama(config, $0) }
        let network = try TestNetworks.llamaFusion(model)

        func logits(_ llama: Llama) -> [[Float]] {
            var caches = [config.cache()]
            var all = [llama.logits(llama([[640, 3, 500, 77, 12, 9]], caches: &caches)).array]
            for id in [5, 640, 20] { all.append(llama.logits(llama([[id]], caches: &caches)).array) }
            return all
        }
        #expect(logits(network.text) == logits(llama))
    }

    @Test(arguments: TestNetworks.models)
    func noise_ofAnImageDoesNotDependOnItsNeighbours(model: String) throws {
        let network = try TestNetworks.llamaFusion(model)
        let branches = [[640, 642], [640, 5, 6, 7, 8, 642]].map { TestNetworks.prefill(network, $0) }
        let latents = noise([8, 8, 8, 4], seed: 1)
        let alone = (0..<8).map { item in
            branches.map { network.predictNoise(latents[item..<(item + 1)], timestep: 321, branches: [$0])[0].array }
        }
        for batch in 2...8 {
            let together = network.predictNoise(latents[0..<batch], timestep: 321, branches: branches)
            for item in 0..<batch {
                for branch in branches.indices {
                    #expect(together[branch][item: item] == alone[item][branch], "item \(item) of \(batch)")
                }
            }
        }
    }

    @Test func noise_leavesTheCachesAsTheyWere() throws {
        let network = try TestNetworks.llamaFusion("llamafusion")
        let branch = TestNetworks.prefill(network, [640, 5, 642])
        let latents = noise([1, 8, 8, 4], seed: 2)
        let first = network.predictNoise(latents, timestep: 10, branches: [branch])[0].array
        #expect(branch.length == 3)
        #expect(network.predictNoise(latents, timestep: 10, branches: [branch])[0].array == first)
    }

    @Test(arguments: TestNetworks.models)
    func text_behindAnImageSeesIt(model: String) throws {
        let network = try TestNetworks.llamaFusion(model)
        func logits(_ seed: UInt64) -> [Float] {
            var caches = [network.config.text.cache()]
            _ = network.text([[640, 642]], caches: &caches)
            network.read(noise([1, 8, 8, 4], seed: seed), caches: &caches)
            #expect(caches[0].length == 18)
            return network.text.logits(network.text([[643, 9]], caches: &caches)).array
        }
        #expect(logits(1) == logits(1))
        #expect(logits(1) != logits(2))
    }

    @Test(arguments: TestNetworks.models)
    func images_readInOneBatchKeepTheirBytes(model: String) throws {
        let network = try TestNetworks.llamaFusion(model)
        let latents = noise([3, 8, 8, 4], seed: 5)
        let prefixes = [[640, 642], [640, 1, 2, 642], [640, 3, 642]]
        func next(_ caches: inout [KeyValueCache]) -> Tensor {
            network.text.logits(network.text(caches.map { _ in [643] }, caches: &caches))
        }
        var together = prefixes.map { TestNetworks.prefill(network, $0) }
        network.read(latents, caches: &together)
        let logits = next(&together)
        for item in prefixes.indices {
            var alone = [TestNetworks.prefill(network, prefixes[item])]
            network.read(latents[item..<(item + 1)], caches: &alone)
            #expect(next(&alone).array == logits[item: item])
        }
    }

    @Test func check_findsEveryMismatchFromHeadersAlone() throws {
        let folder = TestNetworks.folder("llamafusion")
        let url = folder.appending(path: "config.json")
        var config = try ConfigurationFile.decode(LlamaFusionConfig.self, at: url)
        let checkpoint = try Checkpoint(folder)
        #expect(checkpoint.problems { LlamaFusion(config, $0) }.isEmpty)
        config.text.layers = 2
        config.text.vocabularySize = 651
        config.separation = .shallow
        let keys = checkpoint.problems { LlamaFusion(config, $0) }.map(\.key)
        #expect(keys.contains("model.embed_tokens.weight"))
        #expect(keys.contains("lm_head.weight"))
        #expect(keys.contains("model.layers.2.mlp.up_proj.weight"))
        #expect(keys.contains("image_model.layers.0.self_attn.q_proj.weight"))
        #expect(keys.count == 2 + 9 + 9 + 2 * 5)
    }

    @Test(arguments: [
        ("separation", #""none""#), ("boi_token_id", "650"), ("eoi_token_id", "-1"), ("eos_token_id", "[]"),
        ("bos_token_id", "null"), ("image_config", "{}"), ("text_config", #"{"vocab_size": 0}"#),
    ])
    func config_errorsNameTheKey(key: String, value: String) throws {
        let data = try Data(contentsOf: TestNetworks.folder("llamafusion").appending(path: "config.json"))
        var json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        json[key] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let changed = try JSONSerialization.data(withJSONObject: json)
        let error = #expect(throws: CheckpointError.self) {
            try ConfigurationFile.decode(LlamaFusionConfig.self, from: changed, file: "config.json")
        }
        #expect(error?.description.hasPrefix("config.json: \(key)") == true)
    }
}
