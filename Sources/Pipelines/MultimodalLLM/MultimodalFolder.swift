import Checkpoints
import Foundation
import Networks
import Tokenizers

/// A language model as transformers saves it: `config.json`, tokenizer with chat template, weights, and for one that sees
/// `preprocessor_config.json` (since 5.0 a part of `processor_config.json`).
struct MultimodalFolder {
    let url: URL

    var configFile: URL { url.appending(path: "config.json") }
    private var processorFile: URL { url.appending(path: "preprocessor_config.json") }
    private var newProcessorFile: URL { url.appending(path: "processor_config.json") }

    /// The architectures that are known, as `config.json` names them.
    private enum Architecture: String, CaseIterable {
        case llavaOneVision = "llava_onevision"
        case llavaNext = "llava_next"
        case qwen25VL = "qwen2_5_vl"
        case llama
        case qwen2
    }

    private struct Kind: Decodable {
        var architecture: Architecture
        private enum CodingKeys: String, CodingKey { case architecture = "model_type" }

        init(from decoder: any Decoder) throws {
            let config = try decoder.container(keyedBy: CodingKeys.self)
            let type = try config.decode(String.self, forKey: .architecture)
            guard let known = Architecture(rawValue: type) else {
                let all = Architecture.allCases.map(\.rawValue).joined(separator: ", ")
                throw config.invalid(.architecture, "\"\(type)\" is not supported (\(all))")
            }
            architecture = known
        }
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
        case .llama, .qwen2: try textOnly(weights, addedTokens: addedTokens)
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
        case .llama, .qwen2:
            let config = try textOnlyConfig(addedTokens: addedTokens).text
            return weights.problems(keys: Llama.keys) { reader in
                let network = Llama(config, reader)
                use(network)
                return network
            }
        }
    }

    /// Looks at everything beside weights that loading a model needs whose vision others are built on.
    /// - Throws: the first error that loading would throw
    func checkParts() throws { try checkParts(needsVision: true) }

    /// - Parameter needsVision: false where a model that sees nothing will do
    func checkParts(needsVision: Bool) throws {
        switch try ConfigurationFile.decode(Kind.self, at: configFile).architecture {
        case .llavaOneVision, .llavaNext:
            let config = try llavaConfig(addedTokens: 0)
            _ = try llavaImageProcessor(for: config)
            _ = try llavaTokenizer(for: config)
        case .qwen25VL:
            let config = try qwen25VLConfig(addedTokens: 0)
            _ = try qwen25VLImageProcessor(for: config.vision)
            _ = try qwen25VLTokenizer(for: config)
        case .llama, .qwen2:
            guard !needsVision else {
                throw PipelineError.unsupported(reason: "\(configFile.path): model_type: a model that sees no pictures")
            }
            _ = try tokenizer(for: textOnlyConfig(addedTokens: 0).text, placeholders: [:])
        }
        _ = try chatTemplate()
        _ = try generationConfig(endTokens: [])
    }

    // MARK: LLaVA

    private func llava(_ weights: Checkpoint, addedTokens: Int) throws -> MultimodalLLM {
        let config = try llavaConfig(addedTokens: addedTokens)
        let imageProcessor = try llavaImageProcessor(for: config)
        let tokenizer = try llavaTokenizer(for: config)
        let network = try weights.load(keys: LLaVA.keys) { LLaVA(config, $0) }
        let generation = try generationConfig(endTokens: config.endTokens)
        return MultimodalLLM(
            text: network.text,
            front: LLaVAFront(network: network, imageProcessor: imageProcessor),
            tokenizer: tokenizer,
            template: try chatTemplate(),
            endTokens: generation.endTokens,
            repetitionPenalty: generation.repetitionPenalty,
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
        let tokenizer = try Tokenizer(ofModelAt: url, vocabularySize: config.vocabularySize)
        for (token, id) in placeholders.sorted(by: { $0.key < $1.key }) where tokenizer.id(of: token) != id {
            let reason = "\(token) is not the token \(id), which config.json puts in the place of pictures"
            throw CheckpointError.malformedFile(file: url.appending(path: "tokenizer.json").path, reason: reason)
        }
        return tokenizer
    }

    /// How conversations are written.
    /// - Throws: an error also where the folder has none, as those of base models
    func chatTemplate() throws -> ChatTemplate {
        do {
            return try ChatTemplate(directory: url)
        } catch TokenizerError.invalid(let file, let path, "missing") where path == "chat_template" {
            let reason = "is missing; a model without a chat template can't hold conversations"
            throw TokenizerError.invalid(file: file, path: path, reason: reason)
        }
    }

    /// `generation_config.json`, where there is one.
    /// - Parameter endTokens: those of `config.json`, which count where it names none
    func generationConfig(endTokens: [Int]) throws -> GenerationConfig {
        let file = url.appending(path: "generation_config.json")
        guard FileManager.default.fileExists(atPath: file.path) else { return GenerationConfig(endTokens: endTokens) }
        var config = try ConfigurationFile.decode(GenerationConfig.self, at: file)
        if config.endTokens.isEmpty { config.endTokens = Set(endTokens) }
        return config
    }
}
