import Images
import Networks

/// A front that also looks at pictures as MetaQuery was trained to, where it draws from them; in conversations it looks
/// at them as ever.
protocol ConditioningFront: VisionFront {
    /// The same weights with the image processor of the training.
    var forConditions: Self { get }

    /// What the training does with a picture before the image processor sees it.
    /// - Throws: `PipelineError.invalidRequest` for a picture that can't be looked at so
    func conditioningPicture(_ picture: PixelImage) throws -> PixelImage
}

extension LLaVAFront: ConditioningFront {
    var forConditions: LLaVAFront { self }

    /// torchvision's `Resize(384)` and `CenterCrop(384)`: every picture becomes a square of 384 pixels.
    func conditioningPicture(_ picture: PixelImage) throws -> PixelImage {
        try picture.checkProportions(field: "images")
        return picture.centerSquare(side: 384)
    }
}

extension PixelImage {
    /// Pictures in extreme shapes would grow beyond all memory before they are cropped.
    fileprivate func checkProportions(field: String) throws {
        try PipelineError.require(
            max(width, height) <= 200 * min(width, height),
            field,
            "a picture of \(width) × \(height) pixels is more than 200 times as long as it is wide"
        )
    }

    /// The middle of the picture once its shorter side has this length.
    func centerSquare(side: Int) -> PixelImage {
        let short = min(width, height)
        func scaled(_ length: Int) -> Int { length == short ? side : side * length / short }
        let resized =
            short == side
            ? self : resized(width: scaled(width), height: scaled(height), filter: .bilinear)
        // Python rounds halves to even.
        func start(_ length: Int) -> Int { Int((Double(length - side) / 2).rounded(.toNearestOrEven)) }
        return resized.cropped(x: start(resized.width), y: start(resized.height), width: side, height: side)
    }
}
