import Foundation
import Images
import Testing

/// Files that were cut, damaged or are too large, in every format.
struct DamagedFileTests {
    static let names = [
        "rgb.png", "interlaced.png", "palette_transparent.png", "q50_422.jpg", "progressive.jpg", "cmyk.jpg",
        "exif6.jpg", "gray.jpg", "lossless.webp", "lossy.webp", "rgba.webp",
    ]
    private let limits = GoldenDecodeTests.roomy

    @Test(arguments: names)
    func decode_refusesEveryPrefix(name: String) throws {
        let file = try Array(GoldenImages.shared.file(name))
        // The last bytes of a PNG are the check sum of an end mark without content: nothing is lost with them.
        let end = file.count - (name.hasSuffix("png") ? 4 : 0)
        for count in Array(stride(from: 0, to: end - 64, by: 37)) + ((end - 64)..<end) {
            #expect(throws: ImageError.self, "\(count) of \(file.count) bytes") {
                try ImageDecoder.decode(Array(file.prefix(count)), limits: limits)
            }
        }
    }

    @Test(arguments: [("rgb.png", ImageFormat.png), ("q75_420.jpg", .jpeg), ("lossy.webp", .webp)])
    func decode_saysThatAFileIsTruncated(name: String, format: ImageFormat) throws {
        let file = try GoldenImages.shared.file(name)
        #expect {
            try ImageDecoder.decode(file.prefix(file.count * 3 / 4), limits: limits)
        } throws: { error in
            guard case .truncated(format, at: let place, reason: let reason) = error as? ImageError else {
                return false
            }
            return !place.isEmpty && !reason.isEmpty
        }
    }

    /// Whatever the library makes of a damaged byte, it is a picture of the size in the header, or an error.
    @Test(arguments: names)
    func decode_survivesDamage(name: String) throws {
        let file = try Array(GoldenImages.shared.file(name))
        for index in stride(from: 0, to: file.count, by: 11) {
            for mask in [0x01, 0x80, 0xFF] as [UInt8] {
                var damaged = file
                damaged[index] ^= mask
                do throws(ImageError) {
                    let image = try ImageDecoder.decode(damaged, limits: limits, ground: .white)
                    #expect(image.pixels.count == image.width * image.height * 3)
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
        }
    }

    @Test(arguments: names)
    func decode_keepsLimits(name: String) throws {
        let file = try GoldenImages.shared.file(name)
        let image = try ImageDecoder.decode(file, limits: limits, applyOrientation: false)
        let count = image.width * image.height
        let exact = ImageLimits(maxPixels: count, maxBytes: file.count)
        #expect(try ImageDecoder.decode(file, limits: exact, applyOrientation: false) == image)
        #expect(throws: ImageError.tooManyBytes(count: file.count, limit: file.count - 1)) {
            try ImageDecoder.decode(file, limits: ImageLimits(maxPixels: count, maxBytes: file.count - 1))
        }
        #expect {
            try ImageDecoder.decode(file, limits: ImageLimits(maxPixels: count - 1, maxBytes: file.count))
        } throws: { error in
            guard case .tooManyPixels(_, image.width, image.height, count - 1) = error as? ImageError else {
                return false
            }
            return true
        }
    }

    @Test
    func decode_refusesWhatIsNoPicture() {
        #expect(throws: ImageError.unknownFormat(firstBytes: [])) { try ImageDecoder.decode([], limits: limits) }
        #expect(throws: ImageError.unknownFormat(firstBytes: Array("<svg xml".utf8))) {
            try ImageDecoder.decode(Array("<svg xmlns=''/>".utf8), limits: limits)
        }
        for opening in ["GIF89a=\0", "BM\0\0\0\0\0\0"].map({ Array($0.utf8) }) {
            #expect(throws: ImageError.unknownFormat(firstBytes: opening)) {
                try ImageDecoder.decode(opening, limits: limits)
            }
        }
    }
}
