import Tensors

/// How a plain language model looks at pictures and videos: not at all.
struct TextOnlyFront: VisionFront {
    var pictureToken: Int? { nil }
    var videoToken: Int? { nil }

    func rowCount(of input: VisualInput, field: String) throws -> Int {
        throw PipelineError.invalidRequest(field: field, reason: "this model reads no pictures")
    }

    func partCount(of input: VisualInput) -> Int { 0 }

    func compute(part index: Int, of input: VisualInput, behind parts: inout [Tensor]) {
        preconditionFailure("no input has passed rowCount")
    }

    func joined(_ parts: [Tensor], of input: VisualInput) -> Tensor {
        preconditionFailure("no input has passed rowCount")
    }
}
