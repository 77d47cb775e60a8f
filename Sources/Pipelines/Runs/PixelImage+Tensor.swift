import Images
import Tensors

/// Between 8-bit pictures and the −1…1 of an autoencoder, as diffusers' `VaeImageProcessor`.
extension PixelImage {
    /// The picture at this size; Pillow's bicubic filter where it has another.
    func fitted(_ size: PictureSize) -> PixelImage {
        guard width != size.width || height != size.height else { return self }
        return resized(width: size.width, height: size.height, filter: .bicubic)
    }

    /// [1, height, width, 3]
    var normalized: Tensor {
        Tensor(pixels.map { Float($0) / 255 * 2 - 1 }, shape: [1, height, width, 3])
    }

    /// From [1, height, width, 3]; values outside −1…1 are cut off.
    init(normalized tensor: Tensor) {
        let pixels = tensor.array.map { value -> UInt8 in
            // Broken weights give NaN, which no integer can hold.
            guard !value.isNaN else { return 0 }
            return UInt8((max(0, min(1, value / 2 + 0.5)) * 255).rounded(.toNearestOrEven))
        }
        self.init(width: tensor.shape[2], height: tensor.shape[1], pixels: pixels)
    }
}
