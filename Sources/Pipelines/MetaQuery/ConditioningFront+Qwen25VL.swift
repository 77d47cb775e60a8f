import Images
import Networks

extension Qwen25VLFront: ConditioningFront {
    /// Between 256 and 1280 tokens a picture, whatever the model's own limits are.
    var forConditions: Qwen25VLFront {
        var processor = imageProcessor
        processor.pixelCount = (256 * 28 * 28)...(1280 * 28 * 28)
        return Qwen25VLFront(
            network: network,
            imageProcessor: processor,
            pictureToken: pictureToken,
            videoToken: videoToken
        )
    }

    func conditioningPicture(_ picture: PixelImage) -> PixelImage { picture }
}
