/// Reading scalars out of valid UTF-8.
enum UTF8Scalars {
    /// The scalar that begins at `position` and the position behind it. A text cut inside a scalar gives U+FFFD.
    @inline(__always)
    static func scalar(in text: [UInt8], at position: Int, end: Int) -> (code: UInt32, next: Int) {
        let lead = text[position]
        if lead < 0x80 { return (UInt32(lead), position + 1) }
        let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard position + length <= end else { return (0xFFFD, end) }
        var code = UInt32(lead) & (0x7F >> UInt32(length))
        for offset in 1..<length { code = code << 6 | UInt32(text[position + offset] & 0x3F) }
        return (code, position + length)
    }

    /// The scalar that ends before `position`, and where it begins.
    static func scalar(in text: [UInt8], before position: Int, start: Int) -> (code: UInt32, start: Int) {
        var lead = position - 1
        while lead > start, text[lead] & 0xC0 == 0x80 { lead -= 1 }
        return (scalar(in: text, at: lead, end: position).code, lead)
    }

    /// How many bytes at the end are the beginning of a scalar that more bytes could complete: 0…3.
    static func incompleteTail(of text: some BidirectionalCollection<UInt8>) -> Int {
        let tail = Array(text.suffix(3))
        for length in stride(from: 1, through: tail.count, by: 1) {
            let lead = tail[tail.count - length]
            if lead & 0xC0 == 0x80 { continue }
            let needed = lead >= 0xF0 && lead <= 0xF4 ? 4 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xC2 ? 2 : 1
            guard lead < 0xF5, length < needed else { return 0 }
            guard length > 1 else { return length }
            // Overlong forms, surrogates and codes beyond U+10FFFF are already broken at the second byte.
            let second = tail[tail.count - length + 1]
            let allowed: ClosedRange<UInt8> =
                switch lead {
                case 0xE0: 0xA0...0xBF
                case 0xED: 0x80...0x9F
                case 0xF0: 0x90...0xBF
                case 0xF4: 0x80...0x8F
                default: 0x80...0xBF
                }
            return allowed.contains(second) ? length : 0
        }
        return 0
    }
}
