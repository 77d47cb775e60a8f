import Foundation
import Pipelines
import Settings
import Testing

/// Writes a configuration file into a folder of its own, and removes it afterwards.
private func withFile<Result>(_ text: String, _ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("settings-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("triptych.yaml")
    try Data(text.utf8).write(to: file)
    return try body(file)
}

private func read(_ text: String, flags: [String: String] = [:], environment: [String: String] = [:]) throws -> Settings
{
    try withFile(text) { try SettingsReader.read(file: $0, flags: flags, environment: environment) }
}

/// The error that reading this file must throw.
private func problem(_ text: String, environment: [String: String] = [:]) throws -> SettingsError {
    try #require(throws: SettingsError.self) { try read(text, environment: environment) }
}

@Suite struct SettingsReaderTests {
    @Test func file_everyKeyIsRead() throws {
        let settings = try read(
            """
            server:
              host: 127.0.0.2
              port: 9000
              limits: {request_line: 4KiB, header_fields: 50, header_bytes: 16 KiB, body: 1MB, header_seconds: 2.5,
                       idle_seconds: 30, connections: 12}
              cors: {origins: []}
              keys: []
              allow_public_without_keys: true
            compute: {threads: 3}
            memory: {budget: 2GiB}
            jobs: {store: sqlite, path: data/j.sqlite, queue: 7, keep: {hours: 1.5, bytes: 1024}, webhook_hosts: []}
            images: {hosts: [], max_pixels: 1000}
            models_root: null
            """
        )
        #expect(settings.server.host == "127.0.0.2")
        #expect(settings.server.port == 9000)
        #expect(settings.server.limits.requestLineBytes == 4096)
        #expect(settings.server.limits.headerFields == 50)
        #expect(settings.server.limits.headerBytes == 16384)
        #expect(settings.server.limits.bodyBytes == 1_000_000)
        #expect(settings.server.limits.headerSeconds == 2.5)
        #expect(settings.server.limits.idleSeconds == 30)
        #expect(settings.server.limits.connections == 12)
        #expect(settings.server.allowPublicWithoutKeys)
        #expect(settings.compute.threads == 3)
        #expect(settings.memory.budgetBytes == 2 << 30)
        #expect(settings.jobs.path.path.hasSuffix("/data/j.sqlite"))
        #expect(settings.jobs.queue == 7)
        #expect(settings.jobs.keepHours == 1.5)
        #expect(settings.jobs.keepBytes == 1024)
        #expect(settings.images.maxPixels == 1000)
    }

    @Test func file_onlyModelsIsEnough() throws {
        try withFile("models:\n  - {name: a, family: llamafusion, path: ../models/a}\n") { file in
            let settings = try SettingsReader.read(file: file, environment: [:])
            let folder = file.deletingLastPathComponent().deletingLastPathComponent()
            #expect(settings.server == Settings().server)
            guard case .entry(let entry) = settings.models.first else {
                Issue.record("the entry is not valid")
                return
            }
            #expect(entry.path.path == folder.appendingPathComponent("models/a").path)
            #expect(settings.jobs.path.path == folder.appendingPathComponent("state/jobs.sqlite").path)
        }
    }

    @Test func emptyFile_givesDefaults() throws {
        #expect(try read("").server == Settings().server)
        #expect(try read("server:\njobs:\n").compute == Settings().compute)
    }

    @Test func precedence_flagsOverVariablesOverFile() throws {
        let file = "server: {port: 1000}\ncompute: {threads: auto}\n"
        #expect(try read(file).server.port == 1000)
        let variables = ["TRIPTYCH_SERVER_PORT": "2000", "TRIPTYCH_COMPUTE_THREADS": "2"]
        #expect(try read(file, environment: variables).server.port == 2000)
        #expect(try read(file, environment: variables).compute.threads == 2)
        #expect(try read(file, flags: ["server.port": "3000"], environment: variables).server.port == 3000)
    }

    @Test func variable_nestedKeysHaveTheirOwnNames() throws {
        let settings = try read(
            "",
            environment: [
                "TRIPTYCH_JOBS_PATH": "/data/jobs.sqlite", "TRIPTYCH_JOBS_KEEP_HOURS": "2",
                "TRIPTYCH_SERVER_LIMITS_HEADER_FIELDS": "9", "TRIPTYCH_SERVER_ALLOW_PUBLIC_WITHOUT_KEYS": "true",
            ]
        )
        #expect(settings.jobs.path.path == "/data/jobs.sqlite")
        #expect(settings.jobs.keepHours == 2)
        #expect(settings.server.limits.headerFields == 9)
        #expect(settings.server.allowPublicWithoutKeys)
    }

    @Test func relativePath_inAVariableIsRelativeToTheWorkingDirectory() throws {
        let settings = try withFile("") {
            try SettingsReader.read(
                file: $0,
                environment: ["TRIPTYCH_JOBS_PATH": "here/jobs.sqlite"],
                workingDirectory: URL(fileURLWithPath: "/somewhere")
            )
        }
        #expect(settings.jobs.path.path == "/somewhere/here/jobs.sqlite")
    }

    @Test(arguments: [
        ("sever: {port: 1}", "sever", "did you mean server"),
        ("server: {prot: 1}", "server.prot", "did you mean server.port"),
        ("server: {limits: {bdy: 1}}", "server.limits.bdy", "unknown key"),
        ("server: 5", "server", "mapping"),
        ("server: {port: [1]}", "server.port", "single value"),
        ("server: {port: 70000}", "server.port", "0 to 65535"),
        ("server: {port: 80.5}", "server.port", "whole number"),
        ("server: {limits: {body: lots}}", "server.limits.body", "lots"),
        ("server: {limits: {body: 99999999999TiB}}", "server.limits.body", "size"),
        ("server: {limits: {request_line: 9223372036854775807}}", "server.limits.request_line", "size"),
        ("server: {limits: {idle_seconds: -1}}", "server.limits.idle_seconds", "above 0"),
        ("server: {limits: {idle_seconds: nan}}", "server.limits.idle_seconds", "above 0"),
        ("server: {keys: [{name: a}]}", "server.keys", "not supported yet"),
        ("compute: {threads: 0}", "compute.threads", "1 to 1024"),
        ("jobs: {store: postgres}", "jobs.store", "not supported yet"),
        ("jobs: {store: mongo}", "jobs.store", "sqlite or postgres"),
        ("jobs: {queue: many}", "jobs.queue", "many"),
        ("models: {a: b}", "models", "list"),
    ])
    func badFile_isAnErrorNamingTheKey(text: String, key: String, reason: String) throws {
        let error = try problem(text)
        #expect(error.key == key)
        #expect(error.reason.contains(reason), "\(error.reason)")
        #expect(error.source.contains("triptych.yaml"), "\(error.source)")
    }

    @Test(arguments: ["server: {", "a: 1\na: 2\n", "- 1\n", "\u{1}"])
    func brokenYAML_isAnErrorNamingTheFile(text: String) throws {
        #expect(try problem(text).source.contains("triptych.yaml"))
    }

    @Test func badVariable_isAnErrorNamingTheVariable() throws {
        #expect(try problem("", environment: ["TRIPTYCH_SERVER_PORT": "x"]).source == "TRIPTYCH_SERVER_PORT")
    }

    @Test func missingFile_isAnErrorNamingIt() throws {
        let error = try #require(throws: SettingsError.self) {
            try SettingsReader.read(file: URL(fileURLWithPath: "/nowhere/triptych.yaml"), environment: [:])
        }
        #expect(error.source == "/nowhere/triptych.yaml")
    }
}

@Suite struct ModelEntryTests {
    @Test func entry_everyFieldIsRead() throws {
        let settings = try read(
            """
            models_root: /hub
            models:
              - name: m
                family: metamorph
                path: /models/m
                vision_tower: /models/tower
                visualizer: /models/visualizer
                diffusion: /models/sd
                mllm: /models/mllm
                quantization: none
                prompt_template: "Draw {prompt}"
                defaults: {num_inference_steps: 30, guidance_scale: 4.5, image_guidance_scale: 1}
            """
        )
        let expected = ModelEntry(
            name: "m",
            family: "metamorph",
            path: URL(fileURLWithPath: "/models/m"),
            visionTower: URL(fileURLWithPath: "/models/tower"),
            visualizer: URL(fileURLWithPath: "/models/visualizer"),
            diffusion: URL(fileURLWithPath: "/models/sd"),
            mllm: URL(fileURLWithPath: "/models/mllm"),
            promptTemplate: "Draw {prompt}",
            defaults: EntryDefaults(steps: 30, guidanceScale: 4.5, imageGuidanceScale: 1),
            modelsRoot: URL(fileURLWithPath: "/hub")
        )
        guard case .entry(let entry) = settings.models.first else {
            Issue.record("the entry is not valid: \(settings.models)")
            return
        }
        #expect(entry.name == expected.name && entry.path.path == expected.path.path)
        #expect(entry.visionTower?.path == "/models/tower" && entry.mllm?.path == "/models/mllm")
        #expect(entry.defaults == expected.defaults && entry.promptTemplate == expected.promptTemplate)
    }

    @Test func brokenEntry_neverStopsTheOthers() throws {
        let settings = try read(
            """
            models:
              - {name: broken, family: llamafusion, path: a, pth: b, quantization: int3, defaults: {num_inference_steps: 0}}
              - {family: llamafusion, path: a}
              - just text
              - {name: good, family: llamafusion, path: a}
              - {name: good, family: llamafusion, path: b}
            """
        )
        #expect(settings.models.map(\.name) == ["broken", "models[1]", "models[2]", "good", "good"])
        guard case .invalid(_, _, let reason) = settings.models[0] else {
            Issue.record("the first entry must be invalid")
            return
        }
        #expect(reason.contains("pth: unknown key; did you mean path?"))
        #expect(reason.contains("quantization") && reason.contains("defaults.num_inference_steps"))
        guard case .entry = settings.models[3], case .invalid(_, _, let twice) = settings.models[4] else {
            Issue.record("the first of two equal names is used, the second is not")
            return
        }
        #expect(twice.contains("already used"))
    }
}
