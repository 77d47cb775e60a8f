import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

/// Chats with the base models alone, step by step, at the tolerances of the golden data.
@Suite(
    .enabled(
        if: GoldenData.isHere(GoldenMultimodalLLM.oneVision) && GoldenData.isHere(GoldenMultimodalLLM.next),
        "needs the full golden data: TRIPTYCH_GOLDENS"
    )
)
struct MultimodalGoldenTests {
    @Test(arguments: [GoldenMultimodalLLM.oneVision, GoldenMultimodalLLM.next], GoldenMultimodalLLM.chats)
    func chat_equalsTheReference(set: String, name: String) throws {
        let golden = try GoldenCase("\(set)/cases/\(name)")
        let model = try GoldenMultimodalLLM.model(set)
        let front = try #require(model.front as? LLaVAFront)

        let prompt = try model.prompt(of: golden.conversation(), field: "messages")
        #expect(prompt.ids(model.front) == (try golden.integers("input_ids")))
        #expect(prompt.count == (try golden.integer("num_input_tokens")))

        var features: [Tensor] = []
        for case .picture(let picture) in prompt.inputs {
            let tiles = front.imageProcessor.tiles(of: picture).map(front.imageProcessor.pixelValues)
            let values = Tensor.concatenated(tiles, axis: 0).permuted([0, 3, 1, 2])
            let expected = try golden.tensor("pixel_values")
            try #require(values.shape == expected.shape)
            #expect(zip(values.array, expected.array).allSatisfy { abs($0 - $1) < 1e-5 })
            features.append(try model.features(of: .picture(picture)))
        }
        if !features.isEmpty {
            let expected = try golden.tensor("image_features")
            #expect(features[0].shape == expected.shape)
            #expect(deviation(features[0], from: expected) < 5e-5)
        }

        _ = try model.greedyReply(to: prompt, features: features, as: golden)
    }
}
