import Images
import Networks
import Tensors

/// How LLaVA-OneVision and LLaVA-NeXT look at pictures: tile by tile, each tile one part.
struct LLaVAFront: VisionFront {
    let network: LLaVA
    let imageProcessor: LLaVAImageProcessor

    var pictureToken: Int? { network.config.pictureToken }
    var videoToken: Int? { network.config.videoToken }

    func rowCount(of input: VisualInput, field: String) -> Int {
        switch input {
        case .picture(let picture):
            network.config.pictureFeatureCount(height: picture.height, width: picture.width)
        case .video(let frames, _): network.config.videoFeatureCount(frames: frames.count)
        }
    }

    func partCount(of input: VisualInput) -> Int {
        switch input {
        case .picture(let picture): imageProcessor.tileCount(of: picture)
        case .video(let frames, _): frames.count
        }
    }

    /// Parts are the features of tiles or frames, [1, patches, width].
    func compute(part index: Int, of input: VisualInput, behind parts: inout [Tensor]) {
        let tile =
            switch input {
            case .picture(let picture): imageProcessor.tiles(of: picture)[index]
            case .video(let frames, _): imageProcessor.frame(frames[index])
            }
        parts.append(network.features(of: imageProcessor.pixelValues(of: tile)))
    }

    func joined(_ parts: [Tensor], of input: VisualInput) -> Tensor {
        let features = Tensor.concatenated(parts, axis: 0)
        return switch input {
        case .picture(let picture):
            network.pictureFeatures(features, height: picture.height, width: picture.width)
        case .video: network.videoFeatures(features)
        }
    }
}
