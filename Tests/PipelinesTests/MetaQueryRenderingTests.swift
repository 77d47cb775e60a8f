import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Samplers
import Tensors
import Testing

@testable import Pipelines

/// From the connector's output to pictures, with both kinds of decoder.
@Suite struct MetaQueryRenderingTests {
    private func model(_ name: String) throws -> any LatentDiffusion {
        let entry = GoldenMetaQuery.entry(name)
        let weights = try Checkpoint(entry.path)
        return try LatentDiffusionFolders.folder(#require(entry.diffusion)).model(
            network: weights.part("model.transformer"),
            autoencoder: weights.part("vae"),
            scheduler: .dpmSolverMultistep
        )
    }

    /// The branches of picture `picture` out of `count`, by their place among the rows of the reference.
    private func guidance(_ golden: GoldenCase, picture: Int, of count: Int) throws -> Guidance<Int> {
        let scale = try golden.number("guidance_scale")
        guard try golden.integer("branches") == 3 else {
            return Guidance(full: count + picture, null: picture, scale: scale)
        }
        return Guidance(full: 2, image: 1, null: 0, scale: scale, imageScale: try golden.number("image_guidance_scale"))
    }

    @Test(arguments: GoldenMetaQuery.drawings) func pictures_equalTheReference(name: String) throws {
        let golden = try GoldenMetaQuery.golden(name)
        func expect(_ actual: Tensor, _ tensor: String, within tolerance: Float) throws {
            let deviation = deviation(actual, from: try golden.tensor(tensor))
            #expect(deviation < tolerance, "\(tensor) of \(name) is off by \(deviation) × scale")
        }
        let model = try model(golden.metaQueryModel)
        let (size, count) = (try golden.pictureSize, try golden.integer("num_images_per_prompt"))
        let seed = UInt64(try golden.integer("seed"))
        let orders = try (0..<count).map { picture in
            LatentRendering.Order(seed: seed, guidance: try guidance(golden, picture: picture, of: count))
        }
        var rendering = LatentRendering(
            model,
            orders,
            size: size,
            try model.scheduler.schedule(steps: golden.integer("steps")),
            conditions: try golden.tensor("connector_output")
        )
        #expect(rendering.schedule.timesteps == (try golden.integers("timesteps").map(Float.init)))
        #expect(deviation(rendering.schedule.sigmas, from: try golden.tensor("sigmas").array) < 1e-6)

        var generator = TorchGenerator(seed: seed)
        let noise = generator.randn(count * model.latentCount(of: size))
        try expect(Tensor(noise, shape: [noise.count]), "initial_latents", within: 2e-6)
        let starts = (0..<count).map { Array(noise[($0 * noise.count / count)..<(($0 + 1) * noise.count / count)]) }
        #expect(rendering.state.drawings[0].latents.values == starts[0])
        try rendering.restore(rendering.state.startingFrom(starts))

        // Those of the branches that count: the official code computes the others, too.
        let rows = orders.flatMap { $0.guidance.branches.map(\.condition) }
        let expected = try golden.tensor("noise_pred_step0_branches")
        let branches = deviation(
            rendering.predictBranches().permuted([0, 3, 1, 2]),
            from: .concatenated(rows.map { expected[$0..<($0 + 1)] }, axis: 0)
        )
        #expect(branches < 5e-5, "noise_pred_step0_branches of \(name) are off by \(branches) × scale")

        func latents() -> Tensor {
            let values = rendering.state.drawings.flatMap(\.latents.values)
            return Tensor(values, shape: [values.count])
        }
        let all = try golden.tensor("latents_all_steps")
        for step in rendering.schedule.timesteps.indices {
            try rendering.advance()
            let deviation = deviation(latents(), from: all[step..<(step + 1)])
            #expect(deviation < 2e-4, "latents_all_steps[\(step)] of \(name) are off by \(deviation) × scale")
            if step == 0 { try expect(latents(), "latents_step1", within: 5e-5) }
            if step == 1 { try expect(latents(), "latents_step2", within: 5e-5) }
        }
        try expect(latents(), "latents_last", within: 2e-4)
        let decoded = rendering.state.drawings.map { model.pictures(of: model.tensor([$0.latents], size)) }
        try expect(Tensor.concatenated(decoded, axis: 0).permuted([0, 3, 1, 2]), "decoded", within: 2e-4)

        while rendering.stage != .finished { try rendering.advance() }
        let files = try #require(golden.json["expected_images"] as? [String])
        for (picture, file) in zip(rendering.state.pictures, files) {
            try picture.expectEqual(to: golden.folder.appending(path: file))
        }
    }
}
