import Foundation
import Images
import Testing

struct JPEGDecoderTests {
    private let limits = GoldenDecodeTests.roomy

    /// Where a marker with these two bytes starts.
    private func offset(of marker: UInt8, in file: [UInt8]) throws -> Int {
        try #require(file.indices.dropLast().first { file[$0] == 0xFF && file[$0 + 1] == marker })
    }

    @Test
    func decode_refusesHugeSidesFromHeader() throws {
        var file = try Array(GoldenImages.shared.file("q50_422.jpg"))
        let frame = try offset(of: 0xC0, in: file)
        file.replaceSubrange((frame + 5)..<(frame + 9), with: [0xFF, 0x00, 0xFF, 0x00])
        #expect(
            throws: ImageError.tooManyPixels(.jpeg, width: 0xFF00, height: 0xFF00, limit: limits.maxPixels)
        ) {
            try ImageDecoder.decode(file, limits: limits)
        }
    }

    @Test(arguments: [0, 2])
    func decode_refusesZeroSides(side: Int) throws {
        var file = try Array(GoldenImages.shared.file("q50_422.jpg"))
        let frame = try offset(of: 0xC0, in: file)
        file.replaceSubrange((frame + 5 + side)..<(frame + 7 + side), with: [0, 0])
        #expect { try ImageDecoder.decode(file, limits: limits) } throws: { error in
            guard case .malformed(.jpeg, at: "the header", _) = error as? ImageError else { return false }
            return true
        }
    }

    @Test
    func decode_refusesLosslessJPEG() throws {
        var file = try Array(GoldenImages.shared.file("gray.jpg"))
        file[try offset(of: 0xC0, in: file) + 1] = 0xC3
        #expect { try ImageDecoder.decode(file, limits: limits) } throws: { error in
            guard case .unsupported(.jpeg, at: "the header", _) = error as? ImageError else { return false }
            return true
        }
    }

    /// `gray.jpg` as a file of three colour planes, all like the gray one, in one scan after the other.
    private func planes(scans: [UInt8]) throws -> [UInt8] {
        let gray = try Array(GoldenImages.shared.file("gray.jpg"))
        let frame = try offset(of: 0xC0, in: gray)
        let frameEnd = frame + 2 + 8 + 3
        let scan = try offset(of: 0xDA, in: gray)
        let components: [UInt8] = [1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]
        let header = gray[..<frame] + [0xFF, 0xC0, 0, 17] + gray[(frame + 4)..<(frame + 9)] + [3] + components
        let data = gray[(scan + 10)..<(gray.count - 2)]
        let body = scans.flatMap { [0xFF, 0xDA, 0, 8, 1, $0, 0x00, 0, 63, 0] + data }
        return Array(header) + gray[frameEnd..<scan] + body + [0xFF, 0xD9]
    }

    @Test
    func decode_readsPlanesFromScansOfTheirOwn() throws {
        let gray = try ImageDecoder.decode(GoldenImages.shared.file("gray.jpg"), limits: limits)
        let image = try ImageDecoder.decode(planes(scans: [1, 2, 3]), limits: limits)
        // Y = Cb = Cr = v is (v + 1.402 (v - 128), …, …).
        let start = try #require(gray.pixels.indices.first { $0 % 3 == 0 && (100..<156).contains(gray.pixels[$0]) })
        let value = Double(gray.pixels[start])
        #expect(abs(Double(image.pixels[start]) - (value + 1.402 * (value - 128))) <= 1)
        #expect(abs(Double(image.pixels[start + 2]) - (value + 1.772 * (value - 128))) <= 1)
    }

    /// A scan costs a few bytes in the file and a pass over the picture in the decoder.
    @Test
    func decode_refusesEndlessScans() throws {
        let file = try planes(scans: Array(repeating: 1, count: 200) + [2, 3])
        #expect(throws: ImageError.unsupported(.jpeg, at: "the first scan", reason: "more than 100 scans")) {
            try ImageDecoder.decode(file, limits: limits)
        }
    }

    @Test
    func decode_allowsBytesBetweenMarkers() throws {
        let file = try Array(GoldenImages.shared.file("q50_422.jpg"))
        let frame = try offset(of: 0xC0, in: file)
        let padded = file.prefix(frame) + [0x00, 0x00] + file.suffix(from: frame)
        #expect(
            try ImageDecoder.decode(Array(padded), limits: limits) == ImageDecoder.decode(file, limits: limits)
        )
    }
}
