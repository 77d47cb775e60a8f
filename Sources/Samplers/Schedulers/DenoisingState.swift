import Foundation

/// What a run of a `DenoisingSchedule` carries from step to step, besides its latents and its random generator.
///
/// Saved and reloaded, it continues to the same bytes.
package struct DenoisingState: Sendable, Equatable {
    /// The evaluation that comes next.
    package internal(set) var stepIndex = 0
    /// Predictions of earlier steps, newest last: noise for PNDM, clean latents for DPM-Solver.
    var history: [[Float]] = []
    /// PNDM: the latents at the start of the current Runge–Kutta or improved-Euler step.
    var heldSample: [Float]?
    /// PNDM: the weighted sum of predictions within a Runge–Kutta step.
    var predictionSum: [Float]?

    /// The state before the first step.
    package init() {}

    func holdsLatents(of count: Int) -> Bool {
        history.allSatisfy { $0.count == count }
            && heldSample.map { $0.count == count } ?? true
            && predictionSum.map { $0.count == count } ?? true
    }

    mutating func remember(_ prediction: [Float], atMost count: Int) {
        history.append(prediction)
        if history.count > count { history.removeFirst(history.count - count) }
    }
}

extension DenoisingState: Codable {
    private enum CodingKeys: String, CodingKey {
        case stepIndex
        case history
        case heldSample
        case predictionSum
    }

    package func encode(to encoder: any Encoder) throws {
        func bytes(_ values: [Float]) -> Data { Data(littleEndianWords: values.map(\.bitPattern)) }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(stepIndex, forKey: .stepIndex)
        try container.encode(history.map(bytes), forKey: .history)
        try container.encodeIfPresent(heldSample.map(bytes), forKey: .heldSample)
        try container.encodeIfPresent(predictionSum.map(bytes), forKey: .predictionSum)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func floats(_ data: Data, _ key: CodingKeys) throws -> [Float] {
            guard let words = data.littleEndianWords else {
                throw DecodingError.dataCorruptedError(
                    forKey: key,
                    in: container,
                    debugDescription: "not a whole number of float32 values"
                )
            }
            return words.map(Float.init(bitPattern:))
        }
        stepIndex = try container.decode(Int.self, forKey: .stepIndex)
        history = try container.decode([Data].self, forKey: .history).map { try floats($0, .history) }
        heldSample = try container.decodeIfPresent(Data.self, forKey: .heldSample).map { try floats($0, .heldSample) }
        predictionSum = try container.decodeIfPresent(Data.self, forKey: .predictionSum)
            .map { try floats($0, .predictionSum) }
    }
}
