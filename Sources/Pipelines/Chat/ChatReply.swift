/// A finished reply: text and pictures in the order in which the model made them.
package struct ChatReply: Codable, Sendable, Equatable {
    package enum Part: Codable, Sendable, Equatable {
        case text(String)
        /// A picture that is rendered at several guidance scales is as many parts, one after another.
        case picture(GeneratedPicture)
    }

    /// Without empty texts, and without two texts next to each other.
    package var parts: [Part]
    /// Generated ids, image markers included, EOS left out.
    package var tokenIDs: [Int]
    package var finishReason: GeneratedAnswer.FinishReason
    /// Of every text token, in order; nil where the request asked for none.
    package var scores: [TokenScore]?

    package init(
        parts: [Part],
        tokenIDs: [Int],
        finishReason: GeneratedAnswer.FinishReason,
        scores: [TokenScore]? = nil
    ) {
        self.parts = parts
        self.tokenIDs = tokenIDs
        self.finishReason = finishReason
        self.scores = scores
    }
}

extension RunResult {
    /// A reply of words alone, in the form of what was asked: an answer, or a conversation's only reply.
    init(_ answer: GeneratedAnswer, scores: [TokenScore]?, usage: TokenUsage, to original: RunRequest) {
        if case .answer = original {
            self = .answer(answer, usage: usage)
        } else {
            let reply = ChatReply(
                parts: answer.text.isEmpty ? [] : [.text(answer.text)],
                tokenIDs: answer.tokenIDs,
                finishReason: answer.finishReason,
                scores: scores
            )
            self = .replies([reply], usage: usage)
        }
    }
}

/// How likely the model found a token, whatever the sampling made of it.
package struct TokenScore: Codable, Sendable, Equatable {
    package struct Candidate: Codable, Sendable, Equatable {
        /// What the token alone says; U+FFFD stands for pieces of characters.
        package var text: String
        package var logProbability: Double

        package init(text: String, logProbability: Double) {
            self.text = text
            self.logProbability = logProbability
        }
    }

    package var chosen: Candidate
    /// The most likely tokens, the first one most of all; as many as the request asked for.
    package var top: [Candidate]

    package init(chosen: Candidate, top: [Candidate]) {
        self.chosen = chosen
        self.top = top
    }
}

/// What a reply goes on with. All news of a reply, one after another, are its parts.
package struct ReplyNews: Sendable, Equatable {
    package enum Content: Sendable, Equatable {
        /// Whole characters that no stop string can take back. The scores are those of the tokens read since the last
        /// text; empty where the request asked for none.
        case text(String, scores: [TokenScore])
        /// A finished picture.
        case picture(GeneratedPicture)
    }

    /// The reply's index, 0 ..< `ChatRequest.count`.
    package var choice: Int
    package var content: Content

    package init(choice: Int = 0, _ content: Content) {
        self.choice = choice
        self.content = content
    }
}
