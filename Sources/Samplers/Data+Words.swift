import Foundation

/// 32-bit words as bytes: how saved states hold random words and latents, so that every bit pattern survives (JSON
/// numbers have no NaN or infinity) in a fifth of the room.
extension Data {
    init(littleEndianWords words: [UInt32]) {
        self.init(capacity: words.count * 4)
        for word in words {
            append(UInt8(truncatingIfNeeded: word))
            append(UInt8(truncatingIfNeeded: word >> 8))
            append(UInt8(truncatingIfNeeded: word >> 16))
            append(UInt8(truncatingIfNeeded: word >> 24))
        }
    }

    /// Nil when the byte count is no multiple of four.
    var littleEndianWords: [UInt32]? {
        guard count.isMultiple(of: 4) else { return nil }
        var words: [UInt32] = []
        words.reserveCapacity(count / 4)
        var word: UInt32 = 0
        for (index, byte) in enumerated() {
            word |= UInt32(byte) << UInt32(8 * (index % 4))
            if index % 4 == 3 {
                words.append(word)
                word = 0
            }
        }
        return words
    }
}
