import Checkpoints
import Foundation
import GoldenData
import Testing

@testable import Pipelines

@Suite struct ModelFamilyTests {
    @Test(arguments: GoldenModel.names)
    func check_findsNothingInAGoodCheckpoint(model: String) throws {
        let report = ModelFamily.llamaFusion.check(GoldenModel.entry(model))
        #expect(report.problems.isEmpty)
        #expect(report.summary.count == 3)
        #expect(report.parameterCount > 100_000 && report.weightBytes > 4 * report.parameterCount)
        #expect(
            try ModelFamily.llamaFusion.load(GoldenModel.entry(model)).description.weightBytes == report.weightBytes
        )
    }

    /// A copy of a checkpoint in which `change` breaks something.
    private func problems(_ change: (URL) throws -> Void) throws -> [String] {
        try withTemporaryFolder { folder in
            let copy = folder.appending(path: "model")
            try FileManager.default.copyItem(at: GoldenModel.entry("transfusion").path, to: copy)
            try change(copy)
            let entry = ModelEntry(name: "copy", family: "llamafusion", path: copy)
            let report = ModelFamily.llamaFusion.check(entry)
            #expect(throws: (any Error).self) { try ModelFamily.llamaFusion.load(entry) }
            return report.problems
        }
    }

    @Test func check_findsEverythingAtOnce() throws {
        let found = try problems { folder in
            try edit(folder, "config.json", #""intermediate_size": 112"#, #""intermediate_size": 96"#)
            try edit(folder, "vae/config.json", #""layers_per_block": 1"#, #""layers_per_block": 2"#)
            try edit(
                folder,
                "scheduler/scheduler_config.json",
                "squaredcos_cap_v2",
                "squared"
            )
            try remove(folder, "tokenizer.json")
        }
        #expect(found.filter { $0.contains("mlp.") }.count == 9)
        #expect(found.contains { $0.contains("vae") && $0.contains("missing tensor decoder.up_blocks.0.resnets.2") })
        #expect(found.contains { $0.contains("beta_schedule") })
        #expect(found.contains { $0.contains("tokenizer.json") })
    }

    @Test func check_namesTheFileThatIsWrong() throws {
        #expect(
            try problems { try remove($0, "config.json") }
                .contains { $0.contains("config.json") }
        )
        #expect(
            try problems { try remove($0, "vae") }
                .contains { $0.contains("vae") }
        )
        #expect(
            try problems { try Data("x".utf8).write(to: $0.appending(path: "model.safetensors")) }
                .contains { $0.contains("model.safetensors") && $0.contains("too short") }
        )
        #expect(
            try problems {
                try edit($0, "vae/config.json", #""latent_channels": 4"#, #""latent_channels": 8"#)
            }
            .contains { $0.contains("vae/config.json") && $0.contains("latent_channels") }
        )
        #expect(
            try problems { try edit($0, "config.json", #""patch_size": 2"#, #""patch_size": 3"#) }
                .contains { $0.contains("image_config.patch_size") }
        )
        #expect(
            try problems { try edit($0, "config.json", #""vocab_size": 650"#, #""vocab_size": 644"#) }
                .contains { $0.contains("lm_head.weight") }
        )
    }

    @Test func load_refusesOptionsThatItDoesNotKnow() {
        var entry = GoldenModel.entry("transfusion")
        entry.quantization = "int8"
        #expect(throws: PipelineError.self) { try ModelFamily.llamaFusion.load(entry) }
        entry.quantization = "none"
        entry.promptTemplate = "no place for the prompt"
        #expect(throws: PipelineError.self) { try ModelFamily.llamaFusion.load(entry) }
    }

    @Test func entry_overridesTheFamilysDefaults() throws {
        var entry = GoldenModel.entry("transfusion")
        #expect(
            try ModelFamily.llamaFusion.load(entry).description.defaults
                == GenerationDefaults(
                    steps: 50,
                    guidanceScale: 3,
                    imageGuidanceScale: 1.5,
                    size: PictureSize(width: 16, height: 16)
                )
        )
        entry.defaults = EntryDefaults(steps: 12, guidanceScale: 1.55, imageGuidanceScale: 1)
        #expect(try ModelFamily.llamaFusion.load(entry).description.defaults.steps == 12)
    }

    @Test func families_areFoundByNameAndByCheckpoint() throws {
        #expect(try ModelFamily.family(named: "llamafusion").name == "llamafusion")
        #expect(throws: PipelineError.self) { try ModelFamily.family(named: "none") }
        let folder = GoldenModel.entry("transfusion").path
        #expect(try ModelFamily.family(ofCheckpointAt: folder).name == "llamafusion")
        #expect(throws: CheckpointError.self) { try ModelFamily.family(ofCheckpointAt: folder.appending(path: "vae")) }
        #expect(throws: CheckpointError.self) { try ModelFamily.family(ofCheckpointAt: URL(filePath: "/nonexistent")) }
    }
}
