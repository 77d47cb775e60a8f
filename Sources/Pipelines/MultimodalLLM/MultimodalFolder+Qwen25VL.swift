import Checkpoints
import Foundation
import Networks
import Tokenizers

extension MultimodalFolder {
    func qwen25VL(_ weights: Checkpoint, addedTokens: Int) throws -> MultimodalLLM {
        let config = try qwen25VLConfig(addedTokens: addedTokens)
        let imageProcessor = try qwen25VLImageProcessor(for: config.vision)
        let tokenizer = try qwen25VLTokenizer(for: config)
        let network = try weights.load(keys: Qwen25VL.keys) { Qwen25VL(config, $0) }
        let generation = try generationConfig(endTokens: config.endTokens)
        return MultimodalLLM(
            text: network.text,
            front: Qwen25VLFront(
                network: network.vision,
                imageProcessor: imageProcessor,
                pictureToken: config.pictureToken,
                videoToken: config.videoToken
            ),
            tokenizer: tokenizer,
            template: try chatTemplate(),
            endTokens: generation.endTokens,
            repetitionPenalty: generation.repetitionPenalty,
            weightBytes: weights.byteCount,
            fingerprint: weights.fingerprint
        )
    }

    func qwen25VLConfig(addedTokens: Int) throws -> Qwen25VLConfig {
        var config = try ConfigurationFile.decode(Qwen25VLConfig.self, at: configFile)
        config.text.addedTokens = addedTokens
        return config
    }

    func qwen25VLTokenizer(for config: Qwen25VLConfig) throws -> Tokenizer {
        let placeholders = ["<|image_pad|>": config.pictureToken, "<|video_pad|>": config.videoToken]
        return try tokenizer(for: config.text, placeholders: placeholders)
    }

    /// - Throws: an error also where it makes other patches than the network takes.
    func qwen25VLImageProcessor(for config: Qwen25VisionConfig) throws -> Qwen2VLImageProcessor {
        let (processor, file) = try imageProcessor(Qwen2VLImageProcessor.self)
        let sizes = [
            ("patch_size", processor.patchSize, config.patchSize),
            ("temporal_patch_size", processor.temporalPatchSize, config.temporalPatchSize),
            ("merge_size", processor.mergeSize, config.mergeSize),
        ]
        for (path, found, expected) in sizes where found != expected {
            throw CheckpointError.configuration(
                file: file.path,
                path: path,
                reason: "\(found), but the vision transformer has \(expected)"
            )
        }
        return processor
    }
}
