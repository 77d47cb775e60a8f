import Checkpoints
import Foundation
import Networks
import Tokenizers

/// A multimodal language model as transformers saves it: `config.json`, `preprocessor_config.json` (since 5.0 a part of
/// `processor_config.json`), tokenizer with chat template, and weights.
struct MultimodalFolder {
    let url: URL

    var configFile: URL { url.appending(path: "config.json") }
    private var processorFile: URL { url.appending(path: "preprocessor_config.json") }
    private var newProcessorFile: URL { url.appending(path: "processor_config.json") }

    /// The architectures that are known, as `config.json` names them.
    private enum Architecture: String, Decodable {
        case llavaOneVision = "llava_onevision"
        case llavaNext = "llava_next"
        case qwen25VL = "qwen2_5_vl"
    }

    private struct Kind: Decodable {
        var architecture: Architecture
        private enum CodingKeys: String, CodingKey { case architecture = "model_type" }
    }

    func weights() throws -> Checkpoint { try Checkpoint(url) }

    /// The model with its own weights.
    func model() throws -> MultimodalLLM { try model(weights()) }

    /// The model with weights that lie elsewhere.
    /// - Parameters:
    ///   - weights: under the names that this folder's own would have
    ///   - addedTokens: rows that their embedding table has behind the vocabulary
    func model(_ weights: Checkpoint, addedTokens: Int = 0) throws -> MultimodalLLM {
        switch try ConfigurationFile.decode(Kind.self, at: configFile).architecture {
        case .llavaOneVision, .llavaNext: try llava(weights, addedTokens: addedTokens)
        case .qwen25VL: try qwen25VL(weights, addedTokens: addedTokens)
        }
    }

    /// Everything that keeps the weights from being loaded; reads headers only.
    /// - Parameter use: gets a language model of placeholders, beside which other networks can be accounted for
    func problems(
        _ weights: Checkpoint,
        addedTokens: Int = 0,
        beside use: (Llama) -> Void = { _ in }
    ) throws -> [TensorProblem] {
        switch try ConfigurationFile.decode(Kind.self, at: configFile).architecture {
        case .llavaOneVision, .llavaNext:
            let config = try llavaConfig(addedTokens: addedTokens)
            return weights.problems(keys: LLaVA.keys) { reader in
                let network = LLaVA(config, reader)
                use(network.text)
                return network
            }
        case .qwen25VL:
            let config = try qwen25VLConfig(addedTokens: addedTokens)
            return weights.problems(keys: Qwen25VL.keys) { reader in
                let network = Qwen25VL(config, reader)
                use(network.text)
                return network
            }
        }
    }

    /// Looks at everything that loading needs beside weights.
    /// - Throws: the first error that loading would throw
    func checkParts() throws {
        switch try ConfigurationFile.decode(Kind.self, at: configFile).architecture {
        case .llavaOneVision, .llavaNext:
            let config = try llavaConfig(addedTokens: 0)
            _ = try llavaImageProcessor(for: config)
            _ = try llavaTokenizer(for: config)
        case .qwen25VL:
            let config = try qwen25VLConfig(addedTokens: 0)
            _ = try qwen25VLImageProcessor(for: config.vision)
            _ = try qwen25VLTokenizer(for: config)
        }
        _ = try ChatTemplate(directory: url)
        _ = try endTokens(default: [])
    }

    // MARK: LLaVA

    private func llava(_ weights: Checkpoint, addedTokens: Int) throws -> MultimodalLLM {
        let config = try llavaConfig(addedTokens: addedTokens)
        let imageProcessor = try llavaImageProcessor(for: config)
        let tokenizer = try llavaTokenizer(for: config)
        let network = try weights.load(keys: LLaVA.keys) { LLaVA(config, $0) }
        return MultimodalLLM(
            text: network.text,
            front: LLaVAFront(network: network, imageProcessor: imageProcessor),
            tokenizer: tokenizer,
            template: try ChatTemplate(directory: url),
            endTokens: try endTokens(default: config.endTokens),
            weightBytes: weights.byteCount,
            fingerprint: weights.fingerprint
        )
    }

    private func llavaTokenizer(for config: LLaVAConfig) throws -> Tokenizer {
        var placeholders = ["<image>": config.pictureToken]
        placeholders["<video>"] = config.videoToken
        return try tokenizer(for: config.text, placeholders: placeholders)
    }

    private func llavaConfig(addedTokens: Int) throws -> LLaVAConfig {
        var config = try ConfigurationFile.decode(LLaVAConfig.self, at: configFile)
        config.text.addedTokens = addedTokens
        return config
    }

    /// - Throws: an error also where it makes other tiles than the network takes.
    private func llavaImageProcessor(for config: LLaVAConfig) throws -> LLaVAImageProcessor {
        let (processor, file) = try imageProcessor(LLaVAImageProcessor.self)
        guard processor.tiles.tileSize == config.tiles.tileSize else {
            throw CheckpointError.configuration(
                file: file.path,
                path: "size",
                reason: "\(processor.tiles.tileSize) pixels a side, but the tower sees \(config.tiles.tileSize)"
            )
        }
        guard processor.tiles == config.tiles else {
            throw CheckpointError.configuration(
                file: file.path,
                path: "image_grid_pinpoints",
                reason: "are not those of config.json"
            )
        }
        return processor
    }

    // MARK: Pictures

    private struct NewProcessorFile<Processor: Decodable>: Decodable {
        var imageProcessor: Processor
        private enum CodingKeys: String, CodingKey { case imageProcessor = "image_processor" }
    }

    /// The image processor and the file that describes it.
    func imageProcessor<Processor: Decodable>(_ type: Processor.Type) throws -> (Processor, file: URL) {
        guard
            FileManager.default.fileExists(atPath: processorFile.path)
                || !FileManager.default.fileExists(atPath: newProcessorFile.path)
        else {
            let file = try ConfigurationFile.decode(NewProcessorFile<Processor>.self, at: newProcessorFile)
            return (file.imageProcessor, newProcessorFile)
        }
        return (try ConfigurationFile.decode(type, at: processorFile), processorFile)
    }

    // MARK: Text

    /// - Parameter placeholders: what the chat template writes for inputs, and the ids that the config has for them
    /// - Throws: an error also where the tokenizer has more tokens than the model, or others for the placeholders.
    func tokenizer(for config: LlamaConfig, placeholders: [String: Int]) throws -> Tokenizer {
        let file = url.appending(path: "tokenizer.json")
        let tokenizer = try Tokenizer(contentsOf: file)
        guard tokenizer.vocabularySize <= config.vocabularySize else {
            let reason = "\(tokenizer.vocabularySize) tokens, but the model has \(config.vocabularySize)"
            throw CheckpointError.malformedFile(file: file.path, reason: reason)
        }
        for (token, id) in placeholders.sorted(by: { $0.key < $1.key }) where tokenizer.id(of: token) != id {
            let reason = "\(token) is not the token \(id), which config.json puts in the place of pictures"
            throw CheckpointError.malformedFile(file: file.path, reason: reason)
        }
        return tokenizer
    }

    private struct Generation: Decodable {
        var endTokens: [Int]
        private enum CodingKeys: String, CodingKey { case endTokens = "eos_token_id" }
        init(from decoder: any Decoder) throws {
            endTokens = try decoder.container(keyedBy: CodingKeys.self).tokenIDs(.endTokens)
        }
    }

    /// Those of `generation_config.json`; the config's where it names none.
    func endTokens(default tokens: [Int]) throws -> Set<Int> {
        let file = url.appending(path: "generation_config.json")
        guard FileManager.default.fileExists(atPath: file.path) else { return Set(tokens) }
        let named = try ConfigurationFile.decode(Generation.self, at: file).endTokens
        return Set(named.isEmpty ? tokens : named)
    }
}
