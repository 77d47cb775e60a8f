import Foundation
import Images
import Pipelines
import Serving
import StrictJSON

/// Replies as OpenAI's chat completions have them.
extension JobRenderer {
    /// `chat.completion`.
    func completion(_ replies: [ReplyRecord], _ usage: TokenUsage, of finished: FinishedJob) -> JSONValue {
        let job = finished.job
        let choices = replies.enumerated().map { index, reply -> JSONValue in
            [
                "index": .number(index),
                "message": ["role": "assistant", "content": Self.content(reply, of: finished), "refusal": nil],
                "logprobs": Self.scores(reply.scores),
                "finish_reason": .string(reply.finishReason.rawValue),
            ]
        }
        return [
            "id": .string(job.id.rawValue), "object": "chat.completion", "created": .seconds(job.createdAt),
            "model": .string(job.model), "choices": .array(choices), "usage": Self.chatUsage(usage),
            "timings": Self.timings(job),
        ]
    }

    /// A string, or a list of parts where the reply holds a picture.
    private static func content(_ reply: ReplyRecord, of finished: FinishedJob) -> JSONValue {
        let hasPicture = reply.parts.contains { if case .picture = $0 { true } else { false } }
        let parts = reply.parts.map { part -> JSONValue in
            switch part {
            case .text(let text): hasPicture ? ["type": "text", "text": .string(text)] : .string(text)
            case .picture(let index): picturePart(finished.file(at: index), finished.job.delivery)
            }
        }
        return hasPicture ? .array(parts) : parts.first ?? ""
    }

    /// A picture as a part of a message, in the form in which it can be sent back.
    static func picturePart(_ file: Data, _ delivery: PictureDelivery?) -> JSONValue {
        let type = (delivery?.format ?? .png).mediaType
        return [
            "type": "image_url", "image_url": ["url": .string("data:\(type);base64,\(file.base64EncodedString())")],
        ]
    }

    /// `logprobs` of a choice; null where none were asked for.
    static func scores(_ scores: [TokenScore]?) -> JSONValue {
        guard let scores else { return nil }
        let content = scores.map { score -> JSONValue in
            var object = candidate(score.chosen)
            object["top_logprobs"] = .array(score.top.map { .object(candidate($0)) })
            return .object(object)
        }
        return ["content": .array(content), "refusal": nil]
    }

    private static func candidate(_ candidate: TokenScore.Candidate) -> JSONObject {
        // A token may be a piece of a character, whose bytes its text can't tell.
        let isWhole = !candidate.text.unicodeScalars.contains("\u{FFFD}")
        return [
            "token": .string(candidate.text), "logprob": .number(candidate.logProbability),
            "bytes": isWhole ? .array(candidate.text.utf8.map { .number($0) }) : nil,
        ]
    }

    static func chatUsage(_ usage: TokenUsage) -> JSONValue {
        [
            "prompt_tokens": .number(usage.inputTokens), "completion_tokens": .number(usage.outputTokens),
            "total_tokens": .number(usage.inputTokens + usage.outputTokens),
        ]
    }
}
