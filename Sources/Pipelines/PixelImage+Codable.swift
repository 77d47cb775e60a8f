import Foundation
package import Images

/// Pictures in archived requests: their pixels as one run of bytes, which a binary property list keeps as it is.
extension PixelImage: Codable {
    private enum CodingKeys: String, CodingKey {
        case width, height, pixels
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(width, forKey: .width)
        try container.encode(height, forKey: .height)
        try container.encode(Data(pixels), forKey: .pixels)
    }

    /// - Throws: `DecodingError` when the pixels don't fill the sides.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let width = try container.decode(Int.self, forKey: .width)
        let height = try container.decode(Int.self, forKey: .height)
        let pixels = try container.decode(Data.self, forKey: .pixels)
        let (area, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0, !overflow, area <= Int.max / 3, pixels.count == area * 3 else {
            throw DecodingError.dataCorruptedError(
                forKey: .pixels,
                in: container,
                debugDescription: "\(pixels.count) bytes don't fill a picture of \(width)x\(height)"
            )
        }
        self.init(width: width, height: height, pixels: Array(pixels))
    }
}
