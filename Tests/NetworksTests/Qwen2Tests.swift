import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct Qwen2Tests {
    private static let llava = "metaquery_llavaov_sana/components/llava-hf/llava-onevision-qwen2-tiny-ov-hf"
    private static let qwenVL = "metaquery_qwen25vl_sd/components/Qwen/Qwen2.5-VL-tiny-Instruct"

    /// A config that holds a text model's.
    private struct Whole: Decodable {
        var text: LlamaConfig
        private enum CodingKeys: String, CodingKey { case text = "text_config" }
    }

    /// The ids of an item without the padding before them, and their place in the padded row.
    private func unpadded(_ golden: GoldenCase, item: Int, of length: Int) throws -> (ids: [Int], range: Range<Int>) {
        let ids = try golden.integers("input_ids")[(item * length)..<((item + 1) * length)]
        let mask = try golden.integers("attention_mask")[(item * length)..<((item + 1) * length)]
        let padding = mask.prefix { $0 == 0 }.count
        return (Array(ids.dropFirst(padding)), padding..<length)
    }

    @Test(
        .enabled(if: GoldenData.isHere(llava), "needs the full golden data: TRIPTYCH_GOLDENS"),
        arguments: [0, 1]
    )
    func paddedRow_equalsTheReferenceAtItsPositions(item: Int) throws {
        let golden = try GoldenCase("units/modules", tensors: "qwen2_left_padded.safetensors")
        let folder = GoldenData.url(Self.llava)
        let config = try ConfigurationFile.decode(Whole.self, at: folder.appending(path: "config.json")).text
        let keys = KeyTable(ignoredPrefixes: ["vision_tower.", "multi_modal_projector.", "image_newline"])
        let llama = try Checkpoint(folder).load(keys: keys) { Llama(config, $0["language_model"]) }
        let (ids, range) = try unpadded(golden, item: item, of: 23)
        var caches = [config.cache()]
        let hidden = llama([ids], positions: RotaryPositions([Array(range)]), caches: &caches)
        let states = try golden.tensor("hidden_states")  // [4, 2, 23, 128]
        #expect(deviation(llama.embedded([ids]), from: states[0, item, range]) == 0)
        #expect(deviation(llama.normalized(hidden), from: states[3, item, range]) < 5e-5)
        let logits = try golden.tensor("logits").reshaped([1, 2, 23, 729])
        #expect(deviation(llama.logits(hidden), from: logits[0, item, range]) < 5e-5)
    }

    @Test(
        .enabled(if: GoldenData.isHere(qwenVL), "needs the full golden data: TRIPTYCH_GOLDENS"),
        arguments: [0, 1]
    )
    func positionsOfThreeAxes_equalTheReference(item: Int) throws {
        let golden = try GoldenCase("units/modules", tensors: "qwen25vl_mrope.safetensors")
        let folder = GoldenData.url(Self.qwenVL)
        let config = try ConfigurationFile.decode(LlamaConfig.self, at: folder.appending(path: "config.json"))
        #expect(config.rotary.sections == [4, 6, 6])
        let keys = KeyTable(ignoredPrefixes: ["visual."])
        let llama = try Checkpoint(folder).load(keys: keys) { Llama(config, $0) }
        let (ids, range) = try unpadded(golden, item: item, of: 37)
        let positions = try golden.integers("position_ids")  // [3, 2, 37]
        let axes = (0..<3).map { axis in range.map { positions[(axis * 2 + item) * 37 + $0] } }
        var caches = [config.cache()]
        let hidden = llama(
            [ids],
            positions: RotaryPositions(times: [axes[0]], rows: [axes[1]], columns: [axes[2]]),
            caches: &caches
        )
        let states = try golden.tensor("text_only_hidden_states")  // [4, 2, 37, 64]
        #expect(deviation(llama.normalized(hidden), from: states[3, item, range]) < 5e-5)
    }

    @Test func config_hasTransformersDefaults() throws {
        func decode(_ json: String) throws -> LlamaConfig {
            try ConfigurationFile.decode(LlamaConfig.self, from: Data(json.utf8), file: "config.json")
        }
        let qwen2 = try decode(#"{"model_type": "qwen2"}"#)
        #expect((qwen2.vocabularySize, qwen2.width, qwen2.layers, qwen2.keyValueHeads) == (151936, 4096, 32, 32))
        #expect(qwen2.attentionBias == .queriesKeysValues && qwen2.normEpsilon == 1e-6 && !qwen2.tiesHead)
        let qwen25VL = try decode(#"{"model_type": "qwen2_5_vl_text"}"#)
        #expect((qwen25VL.feedForwardWidth, qwen25VL.heads, qwen25VL.keyValueHeads) == (29568, 64, 8))
        #expect(qwen25VL.rotary.theta == 1e6 && qwen25VL.normEpsilon == 1e-5)
        let llama = try decode(#"{"model_type": "llama", "num_key_value_heads": 8}"#)
        #expect((llama.vocabularySize, llama.feedForwardWidth, llama.heads, llama.headWidth) == (32000, 11008, 32, 128))
        #expect(llama.attentionBias == .none)
        #expect(throws: CheckpointError.self) { try decode(#"{"model_type": "other"}"#) }
    }
}

extension Tensor {
    /// Rows of one item of one state: [states, batch, rows, width] → [rows, width]
    fileprivate subscript(state: Int, item: Int, rows: Range<Int>) -> Tensor {
        let (batch, length, width) = (shape[1], shape[2], shape[3])
        let start = (state * batch + item) * length
        return reshaped([shape[0] * batch * length, width])[(start + rows.lowerBound)..<(start + rows.upperBound)]
    }
}
