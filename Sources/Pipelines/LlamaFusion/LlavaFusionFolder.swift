import Checkpoints
import Foundation
import Networks

/// A LlavaFusion checkpoint: a LLaVA-NeXT as it was published in `llava-next/`, and the image side beside it.
struct LlavaFusionFolder {
    /// `config.json`, weights of the image side, `vae/` and `scheduler/`.
    let imageSide: LlamaFusionFolder
    let base: MultimodalFolder

    init(url: URL) {
        imageSide = LlamaFusionFolder(url: url)
        base = MultimodalFolder(url: url.appending(path: "llava-next"))
    }

    private var configFile: URL { imageSide.url.appending(path: "config.json") }

    func config() throws -> LlavaFusionConfig {
        try ConfigurationFile.decode(LlavaFusionConfig.self, at: configFile)
    }

    /// - Throws: an error where the base model has no rows for the markers.
    func check(_ config: LlavaFusionConfig, for base: LlamaConfig) throws {
        let markers = [("boi_token_id", config.boiTokenID), ("eoi_token_id", config.eoiTokenID)]
        for (path, id) in markers where id >= base.vocabularySize {
            throw CheckpointError.configuration(
                file: configFile.path,
                path: path,
                reason: "\(id), but the base model has \(base.vocabularySize) tokens"
            )
        }
    }
}
