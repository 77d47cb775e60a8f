import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Samplers
import Tensors
import Testing

@testable import Pipelines

/// The visualizer's Stable Diffusion: the folder's autoencoder and scheduler, the UNet that reads SigLIP.
@Suite struct StableDiffusionTests {
    private static let folder = StableDiffusionFolder(
        url: GoldenData.folder.appending(path: "metamorph/components/stable-diffusion-v1-5/stable-diffusion-v1-5")
    )
    private static let visualizer = GoldenData.folder.appending(path: "metamorph/visualizer")

    /// Weights of the visualizer as its authors' code writes them.
    private func checkpoint(_ name: String) throws -> Checkpoint {
        try Checkpoint(Self.visualizer, file: name, stateDict: "model_state_dict")
    }

    private func model(scheduler: SchedulerKind? = nil) throws -> StableDiffusionModel {
        try StableDiffusionModel(Self.folder, network: checkpoint("unet_checkpoint"), scheduler: scheduler)
    }

    private func adapter() throws -> VisualizerAdapter {
        let url = Self.visualizer.appending(path: "model_config.json")
        let config = try ConfigurationFile.decode(VisualizerAdapterConfig.self, at: url)
        return try checkpoint("adapter_checkpoint").load { VisualizerAdapter(config, $0) }
    }

    /// Null condition, then `conditions` of [1, tokens, width].
    private func guided(_ conditions: Tensor...) -> Tensor {
        .concatenated([.zeros(conditions[0].shape)] + conditions, axis: 0)
    }

    private func order(_ seed: UInt64, scale: Double = 7.5, condition: Int = 1) -> LatentRendering.Order {
        LatentRendering.Order(seed: seed, guidance: Guidance(full: condition, null: 0, scale: scale))
    }

    private func condition(_ seed: UInt32) -> Tensor {
        var generator = TorchGenerator(seed: UInt64(seed))
        return Tensor(generator.randn(77 * 48), shape: [1, 77, 48])
    }

    // MARK: Against the reference

    @Test(arguments: ["visualize_text_to_image", "visualize_transform"])
    func picture_equalsTheReference(name: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        func expect(_ actual: [Float], _ expected: [Float], within tolerance: Float, _ what: String) {
            let deviation = deviation(actual, from: expected)
            #expect(deviation < tolerance, "\(what) of \(name) is off by \(deviation) × scale")
        }
        func expect(_ actual: Tensor, _ tensor: String, within tolerance: Float) throws {
            expect(actual.array, try golden.tensor(tensor).array, within: tolerance, tensor)
        }

        let (adapter, model) = (try adapter(), try model())
        let visualTokens = try golden.tensor("visual_embeds")
        try expect(adapter(visualTokens), "adapter_output", within: 2e-5)
        let condition = adapter.condition(of: visualTokens)
        try expect(condition, "prompt_embeds", within: 2e-5)
        #expect(try golden.tensor("negative_prompt_embeds").array == Tensor.zeros(condition.shape).array)

        let size = PictureSize(width: try golden.integer("width"), height: try golden.integer("height"))
        #expect(model.defaultSize == size && model.sizeMultiple == 4)
        let steps = try golden.integer("steps")
        var rendering = LatentRendering(
            model,
            [order(UInt64(try golden.integer("seed")), scale: try golden.number("guidance_scale"))],
            size: size,
            try model.scheduler.schedule(steps: steps),
            conditions: guided(condition)
        )
        #expect(rendering.schedule.timesteps == (try golden.integers("timesteps").map(Float.init)))
        #expect(rendering.steps == steps + 2)
        func latents() -> [Float] { rendering.state.drawings[0].latents.values }
        expect(latents(), try golden.tensor("initial_latents").array, within: 2e-6, "initial_latents")
        let predictions = rendering.predictBranches().permuted([0, 3, 1, 2])
        try expect(predictions, "noise_pred_step0_uncond_cond", within: 5e-5)
        let all = try golden.tensor("latents_all_steps")
        for step in 0..<(steps + 1) {
            #expect(rendering.stage == .denoise && rendering.step == step)
            try rendering.advance()
            expect(latents(), all[step..<(step + 1)].array, within: 2e-4, "latents_all_steps[\(step)]")
            if step == 0 { expect(latents(), try golden.tensor("latents_step1").array, within: 5e-5, "latents_step1") }
            if step == 1 { expect(latents(), try golden.tensor("latents_step2").array, within: 5e-5, "latents_step2") }
        }
        expect(latents(), try golden.tensor("latents_last").array, within: 2e-4, "latents_last")
        let decoded = model.autoencoder.decode(model.tensor(rendering.state.drawings.map(\.latents), size))
        try expect(decoded.permuted([0, 3, 1, 2]), "decoded", within: 2e-4)

        #expect(rendering.stage == .decodeLatents)
        try rendering.advance()
        #expect(rendering.stage == .finished && rendering.step == rendering.steps)
        let expected = golden.folder.appending(path: try golden.string("expected_image"))
        try rendering.state.pictures[0].expectEqual(to: expected)
    }

    // MARK: Batches and continuation

    private func finished(_ rendering: LatentRendering) throws -> [PixelImage] {
        var rendering = rendering
        while rendering.stage != .finished { try rendering.advance() }
        return rendering.state.pictures
    }

    @Test func pictures_doNotDependOnTheirNeighbours() throws {
        let model = try model()
        let size = PictureSize(width: 36, height: 20)
        let schedule = try model.scheduler.schedule(steps: 3)
        let conditions = guided(condition(1), condition(2))
        let orders = [
            order(1), order(2), order(1, scale: 12.5), order(1, condition: 2), order(3, scale: 1), order(4, scale: 0),
        ]
        func pictures(_ orders: [LatentRendering.Order]) throws -> [PixelImage] {
            try finished(LatentRendering(model, orders, size: size, schedule, conditions: conditions))
        }
        let together = try pictures(orders)
        #expect(together == (try orders.flatMap { try pictures([$0]) }))
        #expect(Set(together.map(\.pixels)).count == orders.count)
        #expect(together.allSatisfy { $0.width == 36 && $0.height == 20 })
    }

    @Test(arguments: [nil, SchedulerKind.dpmSolverMultistep, .ddpm])
    func state_continuesToTheSameBytes(scheduler: SchedulerKind?) throws {
        let model = try model(scheduler: scheduler)
        let schedule = try model.scheduler.schedule(steps: 4)
        let conditions = guided(condition(3))
        let fresh = LatentRendering(
            model,
            [order(5), order(6)],
            size: model.defaultSize,
            schedule,
            conditions: conditions
        )
        let expected = try finished(fresh)
        var rendering = fresh
        for _ in 0..<fresh.steps {
            let saved = try PropertyListEncoder().encode(rendering.state)
            var restored = fresh
            try restored.restore(PropertyListDecoder().decode(LatentRendering.State.self, from: saved))
            #expect(restored.step == rendering.step)
            #expect(try finished(restored) == expected)
            try rendering.advance()
        }
    }

    @Test func restore_refusesTheStateOfOtherPictures() throws {
        let model = try model()
        let schedule = try model.scheduler.schedule(steps: 2)
        let conditions = guided(condition(4))
        func rendering(_ count: Int, _ side: Int) -> LatentRendering {
            let size = PictureSize(width: side, height: side)
            let orders = (0..<count).map { order(UInt64($0)) }
            return LatentRendering(model, orders, size: size, schedule, conditions: conditions)
        }
        var target = rendering(2, 16)
        var finishedState = rendering(2, 16)
        while finishedState.stage != .finished { try finishedState.advance() }
        try target.restore(finishedState.state)
        #expect(target.stage == .finished)

        var uneven = rendering(2, 16)
        try uneven.advance()
        var mixed = rendering(2, 16).state
        mixed.drawings[1] = uneven.state.drawings[1]
        var otherPictures = finishedState.state
        otherPictures.pictures[0] = PixelImage(width: 8, height: 8, pixels: Array(repeating: 0, count: 192))
        var many = finishedState.state
        many.pictures += many.pictures
        for state in [rendering(1, 16).state, rendering(2, 20).state, mixed, otherPictures, many] {
            #expect(throws: PipelineError.self) { try target.restore(state) }
        }
    }

    // MARK: Folder

    @Test func weights_fromElsewhereAreUsed() throws {
        let own = try StableDiffusionModel(Self.folder)
        let other = try model()
        let latents = Tensor(condition(5).array.prefix(256).map { $0 }, shape: [1, 8, 8, 4])
        func prediction(_ model: StableDiffusionModel) -> [Float] {
            let conditions = model.network.keyValues(of: condition(6))
            return model.network(latents, timesteps: [500], condition: conditions).array
        }
        #expect(prediction(own) != prediction(other))
        #expect(own.weightBytes > 1 << 20)
    }

    @Test func weights_ofAnotherNetworkAreListed() throws {
        #expect {
            _ = try StableDiffusionModel(Self.folder, network: checkpoint("adapter_checkpoint"))
        } throws: { error in
            guard case .tensors(_, let problems) = error as? CheckpointError else { return false }
            return problems.contains { $0.key == "conv_in.weight" } && problems.contains { $0.key == "layers.0.bias" }
        }
    }

    @Test func autoencoder_ofOtherLatentsIsRefused() throws {
        try withTemporaryFolder { folder in
            let manager = FileManager.default
            try manager.createDirectory(at: folder.appending(path: "unet"), withIntermediateDirectories: true)
            let vae = Self.folder.url.appending(path: "vae")
            try manager.createSymbolicLink(at: folder.appending(path: "vae"), withDestinationURL: vae)
            let file = Self.folder.url.appending(path: "unet/config.json")
            let json = try String(contentsOf: file, encoding: .utf8)
                .replacing(#""in_channels": 4"#, with: #""in_channels": 9"#)
            try Data(json.utf8).write(to: folder.appending(path: "unet/config.json"))
            let broken = StableDiffusionFolder(url: folder)
            let config = try broken.networkConfig()
            #expect(config.inputChannels == 9)
            #expect {
                _ = try broken.autoencoderConfig(for: config)
            } throws: { error in
                guard case .configuration(let file, "latent_channels", _) = error as? CheckpointError else {
                    return false
                }
                return file.hasSuffix("vae/config.json")
            }
        }
    }
}
