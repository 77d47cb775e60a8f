import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@testable import Pipelines

@Suite(.enabled(if: GoldenMetaQuery.isHere, "needs the full golden data: TRIPTYCH_GOLDENS"))
struct MetaQueryFolderTests {
    private static let models = [GoldenMetaQuery.sana, GoldenMetaQuery.stableDiffusion]

    @Test(arguments: models) func check_findsNothingInAGoodModel(model: String) throws {
        let entry = GoldenMetaQuery.entry(model)
        let report = ModelFamily.metaQuery.check(entry)
        #expect(report.problems == [])
        #expect(report.parameterCount > 500_000)
        let description = try ModelFamily.metaQuery.load(entry).description
        #expect(description.weightBytes == report.weightBytes)
        #expect(description.tasks == [.generate, .edit, .answer])
        #expect(try ModelFamily.family(ofCheckpointAt: entry.path).name == "metaquery")
    }

    @Test func baseModels_areFoundByHubName() throws {
        for model in Self.models {
            var entry = GoldenMetaQuery.entry(model)
            (entry.mllm, entry.diffusion) = (nil, nil)
            #expect(ModelFamily.metaQuery.check(entry).problems.filter { $0.contains("models_root") }.count == 2)
            entry.modelsRoot = GoldenData.url(model).appending(path: "components")
            #expect(ModelFamily.metaQuery.check(entry).problems == [])
            _ = try ModelFamily.metaQuery.load(entry)
            entry.modelsRoot = entry.path
            let problems = ModelFamily.metaQuery.check(entry).problems
            #expect(problems.contains { $0.hasPrefix("mllm: is not set, and there is no") })
            #expect(problems.contains { $0.hasPrefix("diffusion: is not set, and there is no") })
        }
    }

    /// A copy of a model in which `change` breaks something; its configurations and weights can be changed.
    private func withCopy<Result>(
        _ model: String = GoldenMetaQuery.sana,
        _ body: (inout ModelEntry) throws -> Result
    ) throws -> Result {
        try withTemporaryFolder { folder in
            let good = GoldenMetaQuery.entry(model)
            func copy(_ url: URL?, _ name: String) throws -> URL {
                let copy = folder.appending(path: name)
                try FileManager.default.copyItem(at: #require(url), to: copy)
                // Golden data may be read-only.
                for file in try FileManager.default.subpathsOfDirectory(atPath: copy.path) + [""] {
                    let path = copy.appending(path: file).path
                    var isFolder: ObjCBool = false
                    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
                    let mode = isFolder.boolValue ? 0o755 : 0o644
                    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
                }
                return copy
            }
            var entry = ModelEntry(
                name: "copy",
                family: "metaquery",
                path: try copy(good.path, "model"),
                diffusion: try copy(good.diffusion, "diffusion"),
                mllm: try copy(good.mllm, "mllm")
            )
            return try body(&entry)
        }
    }

    private func problems(
        _ model: String = GoldenMetaQuery.sana,
        _ change: (inout ModelEntry) throws -> Void
    ) throws -> [String] {
        try withCopy(model) { entry in
            #expect(ModelFamily.metaQuery.check(entry).problems == [])
            try change(&entry)
            #expect(throws: (any Error).self) { try ModelFamily.metaQuery.load(entry) }
            return ModelFamily.metaQuery.check(entry).problems
        }
    }

    /// Writes the checkpoint anew with some of its tensors only, under other names where `rename` says so.
    private func rewrite(_ entry: ModelEntry, _ rename: (String) -> String?) throws {
        let kept = try Checkpoint(entry.path).selecting(rename).files.flatMap(\.tensors)
        let contents = kept.map { (name: $0.name, shape: $0.shape, values: $0.tensor().array) }
        try SafetensorsWriter.file(contents).write(to: entry.path.appending(path: "model.safetensors"))
    }

    // MARK: Gaps

    @Test(arguments: models) func missingParts_comeFromTheBaseFolders(model: String) throws {
        let golden = try GoldenMetaQuery.golden("\(model)/t2i")
        try withCopy(model) { entry in
            // Frozen parts are the base models': a checkpoint without them draws the same.
            try rewrite(entry) { name in
                let isQueries = name.hasSuffix("embed_tokens.weight")
                if name.hasPrefix("model.mllm_backbone."), !isQueries { return nil }
                if name.hasPrefix("vae.") { return nil }
                return name
            }
            let report = ModelFamily.metaQuery.check(entry)
            #expect(report.problems == [])
            let pipeline = try MetaQueryPipeline(MetaQueryModel(MetaQueryFolder(entry)), entry)
            var run = try pipeline.run(for: .generation(golden.metaQueryRequest()))
            try run.pictures()[0].image.expectEqual(to: golden.folder.appending(path: "expected0.png"))
            #expect(pipeline.description.weightBytes == report.weightBytes)
        }
    }

    @Test func check_explainsEveryGap() throws {
        let queries = try problems { entry in
            try rewrite(entry) { $0.hasPrefix("model.mllm_backbone.") ? nil : $0 }
        }
        #expect(queries.contains { $0.contains("embed_tokens.weight, where the query tokens are") })

        let connector = try problems { entry in
            try rewrite(entry) { name in
                if name.hasPrefix("model.connector.0.layers.1.mlp") { return nil }
                return name == "model.connector.1.bias" ? "model.connector.2.bias" : name
            }
        }
        #expect(connector.filter { $0.contains("missing tensor model.connector.0.layers.1.mlp") }.count == 3)
        #expect(connector.contains { $0.contains("missing tensor model.connector.1.bias [56]") })
        #expect(connector.contains { $0.contains("unexpected tensor model.connector.2.bias") })

        // A part that is there in part is not made whole by the base folder.
        let halves = try problems { entry in
            try rewrite(entry) { name in
                ["vae.decoder.conv_in.weight", "model.transformer.proj_out.bias"].contains(name) ? nil : name
            }
        }
        #expect(halves.contains { $0.contains("missing tensor vae.decoder.conv_in.weight") })
        #expect(halves.contains { $0.contains("missing tensor model.transformer.proj_out.bias") })

        let strays = try problems { entry in
            try rewrite(entry) { $0 == "model.connector.4.weight" ? "optimizer.state" : $0 }
        }
        #expect(strays.contains { $0.contains("unexpected tensor optimizer.state") })
    }

    @Test func check_findsEverythingAtOnce() throws {
        let found = try problems { entry in
            try edit(entry.path, "config.json", #""num_metaqueries": 20"#, #""num_metaqueries": 24"#)
            try edit(entry.path, "config.json", #"num_hidden_layers": 2"#, #"num_hidden_layers": 3"#)
            try edit(entry.diffusion, "transformer/config.json", #""num_layers": 2"#, #""num_layers": 3"#)
            try remove(entry.diffusion, "scheduler/scheduler_config.json")
            try remove(entry.mllm, "tokenizer.json")
        }
        for expected in [
            "embed_tokens.weight in model.safetensors is [751, 128], expected [755, 128]",
            "missing tensor model.connector.0.layers.2.", "missing tensor model.transformer.transformer_blocks.2.",
            "scheduler_config.json", "tokenizer.json",
        ] {
            #expect(found.contains { $0.contains(expected) }, "\(expected) in \(found)")
        }
    }

    @Test func check_namesWhatDoesNotFitTogether() throws {
        #expect(
            try problems { try edit($0.path, "config.json", #""in_channels": 8"#, #""in_channels": 4"#) }
                .contains { $0.contains("in_channels: 4, but the latents' channels are 8") }
        )
        #expect(
            try problems { try edit($0.path, "config.json", #""vae_downsample_f": 8"#, #""vae_downsample_f": 32"#) }
                .contains { $0.contains("vae_downsample_f: 32, but the autoencoder's downscaling is 8") }
        )
        #expect(
            try problems {
                try edit($0.path, "config.json", #""model_type""#, #""connector_type": "proj_enc", "model_type""#)
            }
            .contains { $0.contains("connector_type: the encoder would be 56 wide") }
        )
        #expect(
            try problems { try edit($0.path, "config.json", #""model_type": "metaquery""#, #""model_type": "other""#) }
                .contains { $0.contains("model_type") }
        )
        #expect(
            try problems { try remove($0.diffusion, "transformer/config.json") }
                .contains { $0.contains("holds no unet/config.json or transformer/config.json") }
        )
    }

    @Test func hubName_leadsNowhereElse() throws {
        try withCopy { entry in
            entry.mllm = nil
            entry.modelsRoot = entry.path.deletingLastPathComponent().appending(path: "model")
            try edit(
                entry.path,
                "config.json",
                "llava-hf/llava-onevision-qwen2-tiny-ov-hf",
                "../mllm"
            )
            let problems = ModelFamily.metaQuery.check(entry).problems
            #expect(problems.contains { $0.hasPrefix("mllm: is not set, and there is no") })
        }
    }

    @Test(arguments: [
        ("num_metaqueries", #""num_metaqueries": 20"#, #""num_metaqueries": 0"#),
        ("connector_type", #""model_type""#, #""connector_type": "mlp", "model_type""#),
        ("max_input_text_tokens", #""max_input_text_tokens": 256"#, #""max_input_text_tokens": -1"#),
        ("input_size", #""input_size": 6"#, #""input_size": "six""#),
        ("mllm_id", #""mllm_id""#, #""mllm_name""#),
    ])
    func config_refusesBadValuesByName(key: String, old: String, new: String) throws {
        let file = GoldenMetaQuery.entry(GoldenMetaQuery.sana).path.appending(path: "config.json")
        let json = try String(contentsOf: file, encoding: .utf8)
        #expect(json.contains(old))
        #expect {
            _ = try ConfigurationFile.decode(
                MetaQueryConfig.self,
                from: Data(json.replacing(old, with: new).utf8),
                file: "f"
            )
        } throws: { error in
            guard case .configuration("f", let path, _) = error as? CheckpointError else { return false }
            return path == key
        }
    }
}
