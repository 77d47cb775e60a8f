import Testing

@testable import Images

struct EXIFTests {
    /// A TIFF structure with one directory of two entries, the second of which is the orientation.
    private func block(_ value: UInt16, type: UInt16 = 3, bigEndian: Bool, entries: UInt16 = 2) -> [UInt8] {
        func two(_ value: UInt16) -> [UInt8] {
            let bytes = [UInt8(value >> 8), UInt8(value & 0xFF)]
            return bigEndian ? bytes : bytes.reversed()
        }
        func four(_ value: UInt16) -> [UInt8] { bigEndian ? [0, 0] + two(value) : two(value) + [0, 0] }
        let header: [UInt8] = (bigEndian ? [0x4D, 0x4D] : [0x49, 0x49]) + two(42) + four(8)
        let width = two(0x0100) + two(4) + four(1) + four(61)
        let orientation = two(0x0112) + two(type) + four(1) + (type == 4 ? four(value) : two(value) + [0, 0])
        return header + two(entries) + width + orientation + [0, 0, 0, 0]
    }

    private func orientation(_ bytes: [UInt8]) -> Orientation {
        bytes.withUnsafeBytes { EXIF.orientation(in: $0) }
    }

    @Test(arguments: Orientation.allCases, [true, false])
    func orientation_isFoundInBothByteOrders(expected: Orientation, bigEndian: Bool) {
        #expect(orientation(block(expected.rawValue, bigEndian: bigEndian)) == expected)
        #expect(orientation(block(expected.rawValue, type: 4, bigEndian: bigEndian)) == expected)
        #expect(orientation(Array("Exif\0\0".utf8) + block(expected.rawValue, bigEndian: bigEndian)) == expected)
    }

    @Test
    func orientation_ofDamagedBlockIsUpright() {
        let sound = block(6, bigEndian: true)
        #expect(orientation([]) == .upright)
        #expect(orientation(Array("Exif\0\0".utf8)) == .upright)
        #expect(orientation(block(0, bigEndian: true)) == .upright)
        #expect(orientation(block(9, bigEndian: false)) == .upright)
        #expect(orientation(block(6, type: 2, bigEndian: true)) == .upright)
        for count in 0..<30 {
            #expect(orientation(Array(sound.prefix(count))) == .upright)
        }
        // A directory far beyond the block, and one that claims more entries than there are.
        #expect(orientation(Array(sound.prefix(4)) + [0xFF, 0xFF, 0xFF, 0xFF] + sound.dropFirst(8)) == .upright)
        #expect(orientation(block(6, bigEndian: true, entries: .max)) == .turnedRight)
    }

    @Test
    func orientations_moveEveryCorner() {
        // a b
        // c d
        // e f
        let letters = Array("abcdef".utf8)
        let image = PixelImage(width: 2, height: 3, pixels: letters.flatMap { [$0, $0, $0] })
        let expected: [Orientation: (Int, String)] = [
            .upright: (2, "abcdef"), .mirrored: (2, "badcfe"), .upsideDown: (2, "fedcba"),
            .mirroredUpsideDown: (2, "efcdab"), .transposed: (3, "acebdf"), .turnedRight: (3, "ecafdb"),
            .transverse: (3, "fdbeca"), .turnedLeft: (3, "bdface"),
        ]
        for orientation in Orientation.allCases {
            let turned = image.oriented(orientation)
            let seen = String(decoding: stride(from: 0, to: 18, by: 3).map { turned.pixels[$0] }, as: UTF8.self)
            #expect(turned.width == expected[orientation]?.0)
            #expect(seen == expected[orientation]?.1)
        }
    }
}
