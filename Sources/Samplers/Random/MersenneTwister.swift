import Foundation

/// The 32-bit Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded with one word as `torch.Generator` does.
struct MersenneTwister: Sendable, Equatable {
    static let wordCount = 624
    private static let middle = 397

    private var words: [UInt32]
    /// The next word to hand out; `wordCount` when all are used up.
    private var position: Int

    init(seed: UInt32) {
        words = [seed]
        words.reserveCapacity(Self.wordCount)
        for index in 1..<Self.wordCount {
            let previous = words[index - 1]
            words.append(1_812_433_253 &* (previous ^ (previous >> 30)) &+ UInt32(index))
        }
        position = Self.wordCount
    }

    mutating func next() -> UInt32 {
        if position == Self.wordCount { refill() }
        var word = words[position]
        position += 1
        word ^= word >> 11
        word ^= (word << 7) & 0x9d2c_5680
        word ^= (word << 15) & 0xefc6_0000
        word ^= word >> 18
        return word
    }

    private mutating func refill() {
        let count = Self.wordCount
        words.withUnsafeMutableBufferPointer { words in
            for index in 0..<count {
                let joined = (words[index] & 0x8000_0000) | (words[(index + 1) % count] & 0x7fff_ffff)
                let twist: UInt32 = joined & 1 == 0 ? 0 : 0x9908_b0df
                words[index] = words[(index + Self.middle) % count] ^ (joined >> 1) ^ twist
            }
        }
        position = 0
    }
}

extension MersenneTwister: Codable {
    private enum CodingKeys: String, CodingKey {
        case words
        case position
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Data(littleEndianWords: words), forKey: .words)
        try container.encode(position, forKey: .position)
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let words = try container.decode(Data.self, forKey: .words).littleEndianWords,
            words.count == Self.wordCount
        else {
            throw DecodingError.dataCorruptedError(
                forKey: .words,
                in: container,
                debugDescription: "not the \(Self.wordCount) words of a Mersenne Twister"
            )
        }
        position = try container.decode(Int.self, forKey: .position)
        guard (0...Self.wordCount).contains(position) else {
            throw DecodingError.dataCorruptedError(
                forKey: .position,
                in: container,
                debugDescription: "position \(position) is outside 0…\(Self.wordCount)"
            )
        }
        self.words = words
    }
}
