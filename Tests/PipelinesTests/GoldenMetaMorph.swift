import Foundation
import GoldenData
import Images
import Tensors

@testable import Pipelines

/// The tiny MetaMorph models of the golden data.
enum GoldenMetaMorph {
    static let folder = GoldenData.folder.appending(path: "metamorph")
    /// Pictures in, text out.
    static let reading = ["understand", "understand_b", "two_frames", "placeholder"]
    /// With pictures in the reply.
    static let drawing = ["text_to_image", "text_to_image_b", "transform"]

    static func entry(_ checkpoint: String = "checkpoint_metamorph") -> ModelEntry {
        let components = folder.appending(path: "components")
        return ModelEntry(
            name: "tiny",
            family: "metamorph",
            path: folder.appending(path: checkpoint),
            visionTower: components.appending(path: "google/siglip-so400m-patch14-384"),
            visualizer: folder.appending(path: "visualizer"),
            diffusion: components.appending(path: "stable-diffusion-v1-5/stable-diffusion-v1-5")
        )
    }

    static func model(_ checkpoint: String = "checkpoint_metamorph") throws -> MetaMorphModel {
        try MetaMorphModel(MetaMorphFolder(entry(checkpoint)))
    }

    static func pipeline(_ checkpoint: String = "checkpoint_metamorph") throws -> MetaMorphPipeline {
        try MetaMorphPipeline(model(checkpoint), entry(checkpoint))
    }

    /// A reply of several pictures in the golden data comes from this prompt.
    static func chat(_ text: String = "Generate an image of a cat on a red mat.") -> ChatRequest {
        ChatRequest(
            turns: [ChatTurn(.user, text)],
            maxTokens: 201,
            seed: 5,
            rendering: ChatRequest.Rendering(steps: 2)
        )
    }

    static func golden(_ name: String) throws -> GoldenCase { try GoldenCase("metamorph/cases/\(name)") }
}

extension GoldenCase {
    /// The folder of the case's language model.
    func checkpoint() throws -> String { try string("checkpoint").replacing("../", with: "") }

    /// The case as what a user says, placeholders and all.
    func turn() throws -> ChatTurn {
        let names = json["images"] as? [String] ?? []
        let images = try names.map { try GoldenModel.picture(folder.appending(path: $0)) }
        return ChatTurn(.user, try string("user_text"), images: images)
    }

    /// Steps that the reference takes: one more than its `max_new_tokens`.
    func tokenLimit() throws -> Int { try integer("max_new_tokens") + 1 }
}

extension MetaMorphPrompt {
    /// The ids with −200 for every picture, as the reference writes them.
    var ids: [Int] {
        sequence.passes.flatMap { $0 }.flatMap { piece -> [Int] in
            switch piece {
            case .tokens(let ids): ids
            case .source(_, let tokens): tokens.lowerBound == 0 ? [-200] : []
            case .drawn: []
            }
        }
    }
}

extension MetaMorphPipeline {
    /// The first reply to a conversation.
    func reply(to request: ChatRequest) throws -> ChatReply {
        var run = try run(for: .chat(request))
        return try run.replies().replies[0]
    }
}
