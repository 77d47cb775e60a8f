import Images
import Pipelines
import StrictJSON

/// The fields of `POST /v1/answers`.
struct QuestionRequest {
    let request: AnswerRequest
    let model: String?
    /// What the job shows as its request.
    let summary: JSONObject

    /// - Throws: `APIError` 400 naming the first field that is wrong.
    init(_ fields: RequestFields, pictures reader: PictureReader) throws(APIError) {
        let question = try fields.requiredString("question")
        model = try fields.string("model")
        let maxTokens = try fields.integer("max_tokens", in: 1...Int(Int32.max))
        let temperature = try fields.magnitude("temperature", upTo: 2)
        let seed = try fields.integer("seed", in: 0...Int.max)
        let pictures = try reader.pictures(of: fields)
        if question.isEmpty, pictures.isEmpty {
            throw .invalid("question", "'question' may be empty only together with a picture.")
        }
        request = AnswerRequest(
            question: question,
            images: pictures,
            maxTokens: maxTokens ?? 512,
            sampling: TokenSampling(temperature: temperature ?? 0),
            seed: seed.map(UInt64.init) ?? UInt64(UInt32.random(in: .min ... .max))
        )

        var summary = fields.summary
        if !pictures.isEmpty { summary["images"] = .summary(of: pictures) }
        self.summary = summary
    }
}
