import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct LlamaTests {
    private func config(_ extra: String = "") throws -> LlamaConfig {
        let heads = extra.contains("num_key_value_heads") ? "" : #", "num_key_value_heads": 2"#
        let json = """
            {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 24\(heads)\(extra)}
            """
        return try ConfigurationFile.decode(LlamaConfig.self, from: Data(json.utf8), file: "config.json")
    }

    private let tensors: [(name: String, shape: [Int])] =
        [("model.embed_tokens.weight", [40, 16]), ("model.norm.weight", [16])]
        + (0..<2).flatMap { layer in
            [
                ("input_layernorm.weight", [16]), ("post_attention_layernorm.weight", [16]),
                ("self_attn.q_proj.weight", [16, 16]), ("self_attn.k_proj.weight", [8, 16]),
                ("self_attn.v_proj.weight", [8, 16]), ("self_attn.o_proj.weight", [16, 16]),
                ("mlp.gate_proj.weight", [24, 16]), ("mlp.up_proj.weight", [24, 16]),
                ("mlp.down_proj.weight", [16, 24]),
            ].map { ("model.layers.\(layer).\($0.0)", $0.1) }
        }

    /// A Llama of random weights, from a file with these tensors and `extra`.
    private func llama(
        _ config: LlamaConfig,
        extra: [(name: String, shape: [Int])] = [],
        replacing: [String: Tensor] = [:]
    ) throws -> Llama {
        try withCheckpoint(of: tensors + extra, replacing: replacing) { checkpoint in
            try checkpoint.load(keys: Llama.keys) { Llama(config, $0) }
        }
    }

    private func withCheckpoint<Result>(
        of tensors: [(name: String, shape: [Int])],
        replacing: [String: Tensor] = [:],
        _ body: (Checkpoint) throws -> Result
    ) throws -> Result {
        try withTemporaryFolder { folder in
            let contents = tensors.enumerated().map { index, tensor in
                let values = replacing[tensor.name] ?? noise(tensor.shape, seed: UInt64(index))
                return (tensor.name, values.shape, values.array)
            }
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            return try body(Checkpoint(folder))
        }
    }

    @Test func rows_doNotDependOnTheirNeighbours() throws {
        let llama = try llama(try config(#", "tie_word_embeddings": true"#))
        let prompts = (0..<8).map { item in (0..<5).map { (item * 7 + $0 * 3) % 40 } }
        func logits(_ prompts: [[Int]]) -> Tensor {
            var caches = prompts.map { _ in llama.config.cache() }
            _ = llama(prompts, caches: &caches)
            return llama.logits(llama(prompts.map { [$0[0]] }, caches: &caches))
        }
        let alone = prompts.map { logits([$0]).array }
        for batch in 2...8 {
            let together = logits(Array(prompts[0..<batch]))
            for item in 0..<batch { #expect(together[item: item] == alone[item], "item \(item) of \(batch)") }
        }
    }

    @Test func cache_givesWhatOnePassGives() throws {
        let llama = try llama(try config(#", "tie_word_embeddings": true"#))
        let ids = [1, 5, 9, 13, 39, 0, 7]
        var whole = [llama.config.cache()]
        let expected = llama.logits(llama([ids], caches: &whole))
        var caches = [llama.config.cache(capacity: 1)]
        var actual: [Tensor] = []
        for part in [[1, 5, 9], [13], [39, 0], [7]] { actual.append(llama.logits(llama([part], caches: &caches))) }
        #expect(deviation(.concatenated(actual, axis: 1), from: expected) < 5e-6)
        #expect(caches[0].length == 7)
    }

    @Test func cache_isAValue() throws {
        let llama = try llama(try config(#", "tie_word_embeddings": true"#))
        var prefix = [llama.config.cache(capacity: 16)]
        _ = llama([[1, 2, 3]], caches: &prefix)
        var first = prefix
        var second = prefix
        let alone = llama([[4, 5]], caches: &first).array
        _ = llama([[6, 7]], caches: &second)
        #expect(prefix[0].length == 3)
        var again = prefix
        #expect(llama([[4, 5]], caches: &again).array == alone)
    }

    @Test func head_mayBeTiedOrNot() throws {
        let head = (name: "lm_head.weight", shape: [40, 16])
        let tied = try llama(try config(#", "tie_word_embeddings": true"#))
        let tiedWithCopy = try llama(try config(#", "tie_word_embeddings": true"#), extra: [head])
        let untied = try llama(try config(), extra: [head])
        func logits(_ llama: Llama) -> [Float] {
            var caches = [llama.config.cache()]
            return llama.logits(llama([[3, 4]], caches: &caches)).array
        }
        #expect(logits(tied) == logits(tiedWithCopy))
        #expect(logits(tied) != logits(untied))
        #expect(throws: CheckpointError.self) { try llama(try config()) }
    }

    @Test func keys_ofOldCheckpointsAreIgnored() throws {
        let buffer = (name: "model.layers.0.self_attn.rotary_emb.inv_freq", shape: [2])
        _ = try llama(try config(#", "tie_word_embeddings": true"#), extra: [buffer])
    }

    @Test func attentionBias_isReadWhereTheConfigHasIt() throws {
        let biases = (0..<2).flatMap { layer in
            [("q_proj", 16), ("k_proj", 8), ("v_proj", 8), ("o_proj", 16)].map {
                (name: "model.layers.\(layer).self_attn.\($0.0).bias", shape: [$0.1])
            }
        }
        let config = try config(#", "tie_word_embeddings": true, "attention_bias": true"#)
        _ = try llama(config, extra: biases)
        #expect(throws: CheckpointError.self) { try llama(config) }
    }

    @Test func positions_areThoseGiven() throws {
        let llama = try llama(try config(#", "tie_word_embeddings": true"#))
        func hidden(_ positions: RotaryPositions?) -> [Float] {
            var caches = [llama.config.cache(), llama.config.cache()]
            _ = llama([[1, 2, 3], [4, 5, 6]], positions: positions?[0..<3], caches: &caches)
            return llama([[7], [8]], positions: positions?[3..<4], caches: &caches).array
        }
        #expect(hidden(RotaryPositions(starts: [0, 0], rows: 4)) == hidden(nil))
        #expect(hidden(RotaryPositions([[0, 1, 2, 3], [0, 1, 2, 4]])) != hidden(nil))
    }

    @Test func addedTokens_areReadAndNeverScored() throws {
        var config = try config(#", "tie_word_embeddings": true"#)
        let base = try llama(config)
        config.addedTokens = 3
        let table = noise([43, 16], seed: 90)
        let grown = try llama(config, replacing: ["model.embed_tokens.weight": table])
        let cut = try llama(
            try self.config(#", "tie_word_embeddings": true"#),
            replacing: [
                "model.embed_tokens.weight": table[0..<40]
            ]
        )
        func logits(_ llama: Llama, _ ids: [Int]) -> Tensor {
            var caches = [llama.config.cache()]
            return llama.logits(llama([ids], caches: &caches))
        }
        #expect(base.hasHead && grown.hasHead)
        #expect(logits(grown, [42, 41]).shape == [1, 2, 40])
        #expect(logits(grown, [3, 4]).array == logits(cut, [3, 4]).array)
        #expect(throws: CheckpointError.self) { try self.llama(config) }
    }

    @Test func head_mayBeLeftOut() throws {
        let config = try config()
        let headless = try withCheckpoint(of: tensors) { try $0.load { Llama(config, $0, hasHead: false) } }
        let withHead = try llama(config, extra: [("lm_head.weight", [40, 16])])
        #expect(!headless.hasHead && withHead.hasHead)
        var caches = [[config.cache()], [config.cache()]]
        #expect(headless([[1, 2]], caches: &caches[0]).array == withHead([[1, 2]], caches: &caches[1]).array)
    }

    @Test(arguments: [
        (#", "num_key_value_heads": 3"#, "num_key_value_heads"), (#", "hidden_act": "gelu""#, "hidden_act"),
        (#", "head_dim": 3"#, "head_dim"), (#", "rms_norm_eps": -1"#, "rms_norm_eps"),
        (#", "rope_theta": 0"#, "rope_theta"),
        (#", "rope_scaling": {"rope_type": "yarn", "factor": 2}"#, "rope_scaling.rope_type"),
        (#", "rope_scaling": {"type": "linear"}"#, "rope_scaling.factor"),
        (#", "rope_parameters": {"rope_theta": "x"}"#, "rope_parameters.rope_theta"),
        (#", "rope_scaling": {"type": "mrope"}"#, "rope_scaling.type"),
        (#", "rope_scaling": {"type": "mrope", "mrope_section": [1, 1]}"#, "rope_scaling.mrope_section"),
        (#", "rope_scaling": {"type": "mrope", "mrope_section": [2, 1, -1]}"#, "rope_scaling.mrope_section"),
        (
            #", "rope_scaling": {"type": "default", "mrope_section": [1, 1, 0], "mrope_interleaved": true}"#,
            "rope_scaling.mrope_interleaved"
        ),
        (#", "use_sliding_window": true"#, "use_sliding_window"),
    ])
    func config_errorsNameTheJSONPath(extra: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try config(extra) }
        #expect(error?.description.hasPrefix("config.json: \(path):") == true, "\(String(describing: error))")
    }

    @Test func config_readsBothSpellingsOfRotaryPositions() throws {
        let scaling = """
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192
            """
        let old = try config(#", "rope_theta": 500000.0, "rope_scaling": {\#(scaling)}"#)
        let new = try config(#", "rope_parameters": {"rope_theta": 500000.0, \#(scaling)}"#)
        #expect(old.rotary == new.rotary)
        #expect(old.rotary.theta == 500000)
        #expect(try config(#", "rope_scaling": null"#).rotary == RotaryConfig(theta: 10000))
        #expect(try config(#", "rope_scaling": {"type": "linear", "factor": 4}"#).rotary.scaling == .linear(factor: 4))
    }
}

@Suite struct RotaryEmbeddingTests {
    @Test func angles_growWithThePosition() {
        let rotary = RotaryEmbedding(RotaryConfig(theta: 100), headWidth: 4)
        let (cosines, sines) = rotary(starts: [0, 3], rows: 2)
        #expect(cosines.shape == [2, 2, 2])
        let angles: [Float] = [0, 0, 1, 0.1, 3, 0.3, 4, 0.4]
        #expect(deviation(cosines.array, from: angles.map { Float(cos(Double($0))) }) < 1e-6)
        #expect(deviation(sines.array, from: angles.map { Float(sin(Double($0))) }) < 1e-6)
    }

    /// Five pairs: two turn with the time, one with the row, two with the column.
    @Test func sections_turnWithTheirAxes() {
        var config = RotaryConfig(theta: 100)
        let plain = RotaryEmbedding(config, headWidth: 10)
        config.sections = [2, 1, 2]
        let spatial = RotaryEmbedding(config, headWidth: 10)
        let positions = RotaryPositions(times: [[0, 5]], rows: [[1, 6]], columns: [[2, 7]])
        let (cosines, sines) = spatial(positions)
        #expect(cosines.shape == [1, 2, 5])
        for (row, base) in [0, 5].enumerated() {
            let axes = (0..<3).map { plain(RotaryPositions([[base + $0]])) }
            for (pair, axis) in [0, 0, 1, 2, 2].enumerated() {
                #expect(cosines.array[row * 5 + pair] == axes[axis].cosines.array[pair])
                #expect(sines.array[row * 5 + pair] == axes[axis].sines.array[pair])
            }
        }
        #expect(spatial(positions[1..<2]).sines.array == Array(sines.array[5...]))
        // A token of text stands at one place of all three.
        #expect(spatial(RotaryPositions([[3]])).sines.array == plain(RotaryPositions([[3]])).sines.array)
    }

    /// Llama 3.1 8B: wavelengths below 2048 stay, those above 8192 are stretched eightfold, the ones between go over.
    @Test func llama3Scaling_stretchesLongWavelengths() {
        let scaling = RotaryConfig.Scaling.llama3(
            factor: 8,
            lowFrequencyFactor: 1,
            highFrequencyFactor: 4,
            originalLength: 8192
        )
        func sines(_ config: RotaryConfig) -> [Float] {
            RotaryEmbedding(config, headWidth: 128)(RotaryPositions([[1]])).sines.array
        }
        let plain = sines(RotaryConfig(theta: 500000))
        let scaled = sines(RotaryConfig(theta: 500000, scaling: scaling))
        #expect(scaled[0] == plain[0])
        #expect(scaled[20] == plain[20])
        #expect(abs(scaled[50] * 8 / plain[50] - 1) < 1e-4)
        // Pair 32 turns once in 2π √500000 = 4443 positions: smooth = (8192 / 4443 − 1) / 3 = 0.2813.
        #expect(abs(scaled[32] / plain[32] - (0.7187 / 8 + 0.2813)) < 1e-3)
    }
}
