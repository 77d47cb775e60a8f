import Foundation
import Pipelines

/// The body of `POST /v1/images/generations`; what is nil is left to the server.
struct RemoteGeneration: Encodable {
    var model: String
    var prompt: String
    var negativePrompt: String?
    var images: [String]
    var n: Int
    var size: String?
    var seed: UInt64?
    var numInferenceSteps: Int?
    var guidanceScale: Double?
    var imageGuidanceScale: Double?
    var outputFormat: String

    struct Reply: Decodable {
        struct Picture: Decodable {
            var b64Json: Data
            var seed: UInt64
        }

        var data: [Picture]
        var timings: [String: Double]
    }
}

/// The body of `POST /v1/answers`.
struct RemoteQuestion: Encodable {
    var model: String
    var images: [String]
    var question: String
    var maxTokens: Int
    var temperature: Double
    var seed: UInt64?

    struct Reply: Decodable {
        var answer: String
        var usage: TokenUsage
    }
}
