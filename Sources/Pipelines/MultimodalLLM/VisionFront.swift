import Images
import Networks
import Tensors

/// What a model is shown beside text.
enum VisualInput: Sendable, Equatable {
    case picture(PixelImage)
    /// Frames in their order, at least one, and how many of them make a second.
    case video([PixelImage], framesPerSecond: Double)

    /// Bytes in memory, about.
    var byteCount: Int {
        switch self {
        case .picture(let image): image.pixels.count
        case .video(let frames, _): frames.reduce(0) { $0 + $1.pixels.count }
        }
    }
}

/// What a prompt is made of, in its order.
enum PromptSpan: Sendable, Equatable {
    /// That many tokens.
    case text(Int)
    case visual(VisualInput)
}

/// Where the rows of a prompt stand for rotary embedding, where that is not one behind the other.
struct PromptPositions: Sendable, Equatable {
    var rows: RotaryPositions
    /// Of the token behind the prompt.
    var next: Int
}

/// The half of a multimodal language model that looks at pictures and videos: it makes rows of the language model of them,
/// each input by itself, so that they can be kept for the next prompt that has the same input.
protocol VisionFront: Sendable {
    /// The id that stands for a picture in a prompt's text, once each; nil where the model sees nothing.
    var pictureToken: Int? { get }
    /// The id that stands for a video; nil where the model takes none.
    var videoToken: Int? { get }

    /// Rows that an input takes in a prompt; known before anything is computed.
    /// - Parameter field: what the request calls its pictures
    /// - Throws: `PipelineError.invalidRequest` for an input that the model can't look at.
    func rowCount(of input: VisualInput, field: String) throws -> Int

    /// Parts in which the rows of an input are computed, each of them one step of a run.
    func partCount(of input: VisualInput) -> Int

    /// Computes one part of an input, in whatever shape `joined` takes them. The input has passed `rowCount`.
    /// - Parameter parts: what was computed so far. The new part stands behind them, or in the place of the last one where
    ///   it only goes on with that.
    func compute(part index: Int, of input: VisualInput, behind parts: inout [Tensor]) throws

    /// All parts of an input → its rows: [rows, width]
    func joined(_ parts: [Tensor], of input: VisualInput) -> Tensor

    /// Where the rows of a prompt stand; nil where it is one behind the other. The inputs have passed `rowCount`.
    func positions(of spans: [PromptSpan]) throws -> PromptPositions?
}

extension VisionFront {
    func positions(of spans: [PromptSpan]) throws -> PromptPositions? { nil }
}
