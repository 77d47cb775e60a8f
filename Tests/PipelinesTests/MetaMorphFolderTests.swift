import Checkpoints
import Foundation
import GoldenData
import Testing

@testable import Pipelines

@Suite struct MetaMorphFolderTests {
    @Test(arguments: ["checkpoint_metamorph", "checkpoint_metamorph_b"])
    func check_findsNothingInAGoodModel(checkpoint: String) throws {
        let entry = GoldenMetaMorph.entry(checkpoint)
        let report = ModelFamily.metaMorph.check(entry)
        #expect(report.problems.isEmpty)
        #expect(report.summary.count == 6)
        #expect(report.parameterCount > 500_000)
        let description = try ModelFamily.metaMorph.load(entry).description
        #expect(description.weightBytes == report.weightBytes)
        #expect(description.defaults.size == PictureSize(width: 32, height: 32))
        #expect(description.defaults.steps == 50 && description.defaults.guidanceScale == 7.5)
        #expect(try ModelFamily.family(ofCheckpointAt: entry.path).name == "metamorph")
    }

    /// A copy of a model in which `change` breaks something.
    private func problems(_ change: (inout ModelEntry) throws -> Void) throws -> [String] {
        try withTemporaryFolder { folder in
            let good = GoldenMetaMorph.entry("checkpoint_metamorph_b")
            func copy(_ url: URL?, _ name: String) throws -> URL {
                let copy = folder.appending(path: name)
                try FileManager.default.copyItem(at: #require(url), to: copy)
                return copy
            }
            var entry = ModelEntry(
                name: "copy",
                family: "metamorph",
                path: try copy(good.path, "model"),
                visionTower: try copy(good.visionTower, "tower"),
                visualizer: try copy(good.visualizer, "visualizer"),
                diffusion: try copy(good.diffusion, "diffusion")
            )
            #expect(ModelFamily.metaMorph.check(entry).problems.isEmpty)
            try change(&entry)
            #expect(throws: (any Error).self) { try ModelFamily.metaMorph.load(entry) }
            return ModelFamily.metaMorph.check(entry).problems
        }
    }

    @Test func check_findsEverythingAtOnce() throws {
        let found = try problems { entry in
            try edit(entry.path, "config.json", #""vision_head_type": "mlp2x_gelu""#, #""vision_head_type": "mlp""#)
            try edit(entry.visionTower, "config.json", #""num_hidden_layers": 3"#, #""num_hidden_layers": 4"#)
            try edit(entry.visualizer, "model_config.json", #""num_layers": 3"#, #""num_layers": 4"#)
            try edit(entry.diffusion, "unet/config.json", #""cross_attention_dim": 48"#, #""cross_attention_dim": 40"#)
            try remove(entry.diffusion, "scheduler/scheduler_config.json")
            try remove(entry.diffusion, "vae/diffusion_pytorch_model.safetensors")
            try remove(entry.path, "tokenizer.json")
        }
        for expected in [
            "vision_head.4.weight", "encoder.layers.3.", "output_dim: 48", "attn2.to_k", "scheduler_config.json",
            "/vae:",
            "tokenizer.json",
        ] {
            #expect(found.contains { $0.contains(expected) }, "\(expected) in \(found)")
        }
    }

    @Test func check_saysWhatAnUnfinishedTrainingLacks() throws {
        // The language model is being trained, the tower is there, nothing else is.
        let found = try problems { entry in
            try FileManager.default.moveItem(at: entry.path, to: entry.path.appendingPathExtension("moved"))
            try FileManager.default.createDirectory(at: entry.path, withIntermediateDirectories: true)
            for step in ["checkpoint-800", "checkpoint-1200", "checkpoint-old"] {
                let target = entry.path.appending(path: step)
                try FileManager.default.copyItem(at: entry.path.appendingPathExtension("moved"), to: target)
            }
            try remove(entry.visualizer, "")
            entry.diffusion = nil
        }
        #expect(found.contains { $0.contains("config.json") })
        #expect(found.contains { $0.contains("its last checkpoint is checkpoint-1200") })
        #expect(found.contains { $0.contains("unet_checkpoint") })
        #expect(found.contains { $0.contains("adapter_checkpoint") })
        #expect(found.contains { $0.contains("model_config.json") })
        #expect(found.contains { $0.hasPrefix("diffusion: is not set") })
        #expect(!found.contains { $0.contains("/tower") })
    }

    @Test func check_namesKeysThatDoNotFitEachOther() throws {
        #expect(
            try problems { try edit($0.path, "config.json", #""mm_hidden_size": 72"#, #""mm_hidden_size": 64"#) }
                .contains { $0.contains("mm_hidden_size: 64, but the vision tower is 72 wide") }
        )
        #expect(
            try problems {
                try edit($0.path, "config.json", #""mm_vision_select_layer": -1"#, #""mm_vision_select_layer": 4"#)
            }
            .contains { $0.contains("mm_vision_select_layer: 4") }
        )
        #expect(
            try problems { try edit($0.path, "config.json", #""num_image_tokens": 64"#, #""num_image_tokens": 60"#) }
                .contains { $0.contains("num_image_tokens: 60") }
        )
        #expect(
            try problems { try edit($0.path, "config.json", #": "interpolation""#, #": "none""#) }
                .contains { $0.contains("image_token_reduction") }
        )
        #expect(
            try problems { try edit($0.visualizer, "model_config.json", #""input_dim": 72"#, #""input_dim": 64"#) }
                .contains { $0.contains("input_dim: 64") }
        )
        #expect(
            try problems {
                try edit($0.path, "tokenizer.json", "<image_end>", "<image_over>")
                try edit($0.path, "tokenizer_config.json", "<image_end>", "<image_over>")
            }
            .contains { $0.contains("has no token <image_end>") }
        )
        #expect(
            try problems {
                try edit($0.path, "tokenizer.json", #""id": 651"#, #""id": 9999"#)
                try edit($0.path, "tokenizer_config.json", #""651""#, #""9999""#)
            }
            .contains { $0.contains("10000 tokens, but the model has 652") }
        )
        #expect(
            try problems { $0.visionTower = nil }.contains { $0.hasPrefix("vision_tower: is not set") }
        )
    }

    @Test func copyOfTheTower_isKnownWithoutTheTowerToo() throws {
        var entry = GoldenMetaMorph.entry()
        entry.visionTower = nil
        #expect(ModelFamily.metaMorph.check(entry).problems.count == 1)
    }

    @Test func visualizerOfPickles_isTheSameVisualizer() throws {
        var entry = GoldenMetaMorph.entry()
        let request = GenerationRequest(prompt: "a cat on a red mat.", seed: 3, steps: 2)
        let expected = try draw(entry, request)
        try withTemporaryFolder { folder in
            for name in ["unet_checkpoint.pt", "adapter_checkpoint.pt", "model_config.json"] {
                let source = try #require(entry.visualizer).appending(path: name)
                try FileManager.default.copyItem(at: source, to: folder.appending(path: name))
            }
            entry.visualizer = folder
            #expect(ModelFamily.metaMorph.check(entry).problems.isEmpty)
            #expect(try draw(entry, request) == expected)
        }
    }

    private func draw(_ entry: ModelEntry, _ request: GenerationRequest) throws -> [GeneratedPicture] {
        var run = try ModelFamily.metaMorph.load(entry).run(for: .generation(request))
        return try run.pictures()
    }

    @Test func load_refusesOptionsThatItDoesNotKnow() {
        var entry = GoldenMetaMorph.entry()
        entry.quantization = "int8"
        #expect(throws: PipelineError.self) { try ModelFamily.metaMorph.load(entry) }
        entry.quantization = "none"
        entry.promptTemplate = "no place for the prompt"
        #expect(throws: PipelineError.self) { try ModelFamily.metaMorph.load(entry) }
        entry.promptTemplate = nil
        entry.defaults.imageGuidanceScale = 1.5
        #expect(throws: PipelineError.self) { try ModelFamily.metaMorph.load(entry) }
    }

    @Test func entry_overridesTheFamilysDefaults() throws {
        var entry = GoldenMetaMorph.entry()
        entry.defaults = EntryDefaults(steps: 12, guidanceScale: 6)
        let defaults = try ModelFamily.metaMorph.load(entry).description.defaults
        #expect(defaults.steps == 12 && defaults.guidanceScale == 6)
    }
}
