import Foundation
import Images
import Testing

/// Expects a picture to be the reference's: within 2 levels, 0.1 on average.
func expectPicture(at url: URL, toEqual reference: URL) throws {
    let limits = ImageLimits(maxPixels: 1 << 20, maxBytes: 1 << 24)
    let picture = try ImageDecoder.decode(Data(contentsOf: url), limits: limits)
    let expected = try ImageDecoder.decode(Data(contentsOf: reference), limits: limits)
    try #require(picture.width == expected.width && picture.height == expected.height)
    let differences = zip(picture.pixels, expected.pixels).map { abs(Int($0) - Int($1)) }
    #expect(differences.max() ?? 0 <= 2)
    #expect(Double(differences.reduce(0, +)) / Double(differences.count) < 0.1)
}
