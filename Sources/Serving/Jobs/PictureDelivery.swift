package import Foundation
package import Images
package import Pipelines

/// How a job's pictures are written, and how the response hands them over.
package struct PictureDelivery: Codable, Sendable, Equatable {
    package enum Form: String, Codable, Sendable, CaseIterable {
        /// In the response itself.
        case base64 = "b64_json"
        /// As the address of the job's content.
        case url
    }

    package let format: ImageFormat
    /// 0…100 for JPEG and WebP; PNG has none.
    package let quality: Int
    package let form: Form

    package static let standard = PictureDelivery(format: .png, quality: 100, form: .base64)

    package init(format: ImageFormat, quality: Int, form: Form) {
        self.format = format
        self.quality = quality
        self.form = form
    }

    /// A picture as the bytes of a file. Takes a while: keep it off Swift's cooperative threads.
    package func file(of picture: GeneratedPicture) throws -> Data {
        try picture.image.encoded(as: format, quality: quality)
    }
}
