import Checkpoints
import Foundation
import Networks
import Tokenizers

/// The `config.json` of a language model that sees nothing, as transformers writes it.
private struct TextOnlyConfig: Decodable {
    var text: LlamaConfig
    /// Where `generation_config.json` names none.
    var endTokens: [Int]

    private enum CodingKeys: String, CodingKey { case endTokens = "eos_token_id" }

    init(from decoder: any Decoder) throws {
        text = try LlamaConfig(from: decoder)
        endTokens = try decoder.container(keyedBy: CodingKeys.self).tokenIDs(.endTokens)
    }
}

extension MultimodalFolder {
    /// A plain Llama or Qwen2.
    func textOnly(_ weights: Checkpoint, addedTokens: Int) throws -> MultimodalLLM {
        let (config, endTokens) = try textOnlyConfig(addedTokens: addedTokens)
        let tokenizer = try tokenizer(for: config, placeholders: [:])
        let network = try weights.load(keys: Llama.keys) { Llama(config, $0) }
        let generation = try generationConfig(endTokens: endTokens)
        return MultimodalLLM(
            text: network,
            front: TextOnlyFront(),
            tokenizer: tokenizer,
            template: try chatTemplate(),
            endTokens: generation.endTokens,
            repetitionPenalty: generation.repetitionPenalty,
            weightBytes: weights.byteCount,
            fingerprint: weights.fingerprint
        )
    }

    func textOnlyConfig(addedTokens: Int) throws -> (text: LlamaConfig, endTokens: [Int]) {
        var config = try ConfigurationFile.decode(TextOnlyConfig.self, at: configFile)
        config.text.addedTokens = addedTokens
        return (config.text, config.endTokens)
    }
}
