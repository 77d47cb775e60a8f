import Foundation
import Tensors

/// The latents of one picture between two steps, in PyTorch's order [channels, height, width], in which noise is drawn.
struct Latents: Codable, Equatable, Sendable {
    var values: [Float]

    init(_ values: [Float]) {
        self.values = values
    }

    /// The picture `item` of [batch, height, width, channels].
    init(_ tensor: Tensor, item: Int) {
        values = tensor[item..<(item + 1)].permuted([0, 3, 1, 2]).array
    }

    /// [count, height, width, channels]
    static func tensor(_ latents: [Latents], channels: Int, height: Int, width: Int) -> Tensor {
        Tensor(latents.flatMap(\.values), shape: [latents.count, channels, height, width]).permuted([0, 2, 3, 1])
    }

    // Bits, not numbers: every value survives, in four bytes.

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(values.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0) })
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let data = try container.decode(Data.self)
        guard data.count.isMultiple(of: 4) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a whole number of floats")
        }
        values = data.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
            }
        }
    }
}
