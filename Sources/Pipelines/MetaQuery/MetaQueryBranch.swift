import Images

/// What the language model reads in one branch of guidance: everything that a condition depends on.
struct MetaQueryBranch: Equatable, Sendable {
    enum Picture: Equatable, Sendable {
        case given(PixelImage)
        /// A black one in its place: of the same size, so that it has as many tokens.
        case black(PictureSize)
    }

    /// A caption or a negative prompt, cut to what the model was trained on.
    var text: String
    var pictures: [Picture]

    /// Nothing to draw and nothing to look at: the same for all requests that say nothing else.
    var isNull: Bool { text.isEmpty && pictures.isEmpty }

    /// The branches of the official sampler. Without pictures, or with a guidance by them of at most 1: what is wanted
    /// against what is not. Else black pictures with what is not wanted, the pictures with it, the pictures with what is.
    /// - Parameters:
    ///   - caption: what is wanted, cut
    ///   - negative: what is not, cut
    static func guidance(
        caption: String,
        negative: String,
        pictures: [PixelImage],
        scale: Double,
        imageScale: Double
    ) -> Guidance<MetaQueryBranch> {
        let given = pictures.map(Picture.given)
        let full = MetaQueryBranch(text: caption, pictures: given)
        let unwanted = MetaQueryBranch(text: negative, pictures: given)
        guard !pictures.isEmpty, imageScale > 1 else { return Guidance(full: full, null: unwanted, scale: scale) }
        let black = pictures.map { Picture.black(PictureSize(width: $0.width, height: $0.height)) }
        return Guidance(
            full: full,
            image: unwanted,
            null: MetaQueryBranch(text: negative, pictures: black),
            scale: scale,
            imageScale: imageScale
        )
    }

    /// Bytes in memory, about.
    var byteCount: Int {
        pictures.reduce(text.utf8.count) { sum, picture in
            if case .given(let image) = picture { sum + image.pixels.count } else { sum + 16 }
        }
    }
}

extension MetaQueryBranch.Picture {
    var image: PixelImage {
        switch self {
        case .given(let image): image
        case .black(let size): PixelImage(width: size.width, height: size.height, color: .black)
        }
    }
}
