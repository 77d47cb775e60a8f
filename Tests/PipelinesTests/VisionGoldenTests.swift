import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing

@testable import Pipelines

/// What MetaMorph sees of the pictures it is given, step by step, at the tolerances of the golden data.
@Suite struct VisionGoldenTests {
    /// `understand_b` and `placeholder` show pictures of these cases to the same tower.
    @Test(arguments: ["understand", "two_frames", "transform"])
    func pictures_becomeTheReferencesVisualTokens(name: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        let components = golden.folder.appending(path: try golden.string("components"))
        let folder = SigLIPFolder(url: components.appending(path: try golden.string("vision_tower")))
        let config = try folder.config()
        let output = try #require(config.hiddenState(-1))
        let network = try folder.weights().load { SigLIP(config, checkpoint: $0, output: output) }
        let processor = try folder.imageProcessor(for: config)
        let framing = SigLIPImageProcessor.Framing(aspectRatio: try golden.string("image_aspect_ratio"))
        let reduction = try #require(
            VisualTokenReduction(tokens: try golden.integer("num_image_tokens"), isNormalized: true)
        )

        let files = try #require(golden.json["images"] as? [String])
        let pixels = try files.map {
            processor(try GoldenModel.picture(golden.folder.appending(path: $0)), framing: framing)
        }
        let pictures = Tensor.concatenated(pixels, axis: 0)
        let difference = zip(pictures.permuted([0, 3, 1, 2]).array, try golden.tensor("pixel_values").array)
        #expect(try golden.tensor("pixel_values").count == pictures.count)
        #expect(difference.allSatisfy { abs($0 - $1) < 1e-5 })

        let patches = network(pictures)
        #expect(patches.shape == (try golden.tensor("vision_selected").shape))
        #expect(deviation(patches, from: try golden.tensor("vision_selected")) < 5e-5)
        let features = reduction(patches)
        #expect(features.shape == (try golden.tensor("vision_features").shape))
        #expect(deviation(features, from: try golden.tensor("vision_features")) < 5e-5)
    }
}
