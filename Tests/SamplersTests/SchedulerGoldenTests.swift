import Foundation
import Testing

@testable import Samplers

/// Hands out prepared noise, as goldens hold it.
struct PreparedNoise: NormalSource {
    var rows: [[Float]]

    mutating func randn(_ count: Int) -> [Float] {
        let row = rows.removeFirst()
        precondition(row.count == count)
        return row
    }
}

struct SchedulerGoldenTests {
    private struct Entry {
        var key: String
        var kind: SchedulerKind?
        var steps: Int
        var config: SchedulerConfiguration
        var setTimesteps: String
        var json: [String: Any]
    }

    private static func entries(_ file: String) throws -> [Entry] {
        let data = try Data(contentsOf: goldensFolder.appending(path: "units/schedulers/\(file)"))
        let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try #require(json["entries"] as? [[String: Any]]).map { entry in
            let config = try #require(entry["config"] as? [String: Any])
            return Entry(
                key: try #require(entry["key"] as? String),
                kind: SchedulerKind(rawValue: try #require(entry["scheduler"] as? String)),
                steps: try #require(entry["steps"] as? Int),
                config: try SchedulerConfiguration(json: JSONSerialization.data(withJSONObject: config)),
                setTimesteps: entry["set_timesteps"] as? String ?? "num_inference_steps",
                json: entry
            )
        }
    }

    @Test func run_equalsDiffusers() throws {
        let expected = try SafetensorsFixture("units/schedulers/expected.safetensors")
        // The goldens also hold UniPC, which no model here uses.
        let entries = try Self.entries("case.json").filter { $0.kind != nil }
        #expect(entries.count >= 48)
        for entry in entries {
            let scheduler = try entry.config.makeScheduler(try #require(entry.kind))
            let schedule: DenoisingSchedule
            if entry.setTimesteps.hasPrefix("sigmas="), let flow = scheduler as? FlowMatchEulerDiscreteScheduler {
                let last = 1 / Double(entry.steps)
                schedule = try flow.schedule(sigmas: numpyLinspace(1, last, entry.steps).map(Float.init))
            } else {
                schedule = try scheduler.schedule(steps: entry.steps)
            }
            let key = entry.key
            let timesteps = try expected.floats("\(key).timesteps")
            #expect(schedule.timesteps == timesteps, "\(key) timesteps")
            if !schedule.sigmas.isEmpty {
                let sigmas = try expected.floats("\(key).sigmas")
                #expect(relativeDifference(schedule.sigmas, sigmas) <= 1e-6, "\(key) sigmas")
            }

            let count = timesteps.count
            let outputs = try expected.rows("\(key).model_outputs", count: count)
            let samples = try expected.rows("\(key).samples", count: count)
            let draws = entry.kind == .ddpm ? try expected.rows("\(key).noise", count: count) : []
            var noise = PreparedNoise(rows: draws)
            var state = DenoisingState()
            var sample = try expected.floats("\(key).init")
            for (output, wanted) in zip(outputs, samples) {
                sample = try schedule.step(modelOutput: output, sample: sample, state: &state, noise: &noise)
                #expect(relativeDifference(sample, wanted) <= 2e-5, "\(key) step \(state.stepIndex)")
            }
        }
    }

    /// The options that case.json leaves out; its companion says how latents and predictions are made.
    @Test func runWithOtherOptions_equalsDiffusers() throws {
        let entries = try Self.entries("options.json")
        #expect(entries.count == 39)
        for entry in entries {
            let key = entry.key
            let schedule = try entry.config.makeScheduler(try #require(entry.kind)).schedule(steps: entry.steps)
            let timesteps = try #require(entry.json["timesteps"] as? [Double]).map(Float.init)
            #expect(schedule.timesteps == timesteps, "\(key) timesteps")
            let samples = try #require(entry.json["samples"] as? [String: [Double]])
            var noise = TorchGenerator(seed: 5)
            var state = DenoisingState()
            var sample = wave(2, 0.9, 0.3, from: 0)
            for step in timesteps.indices {
                let output = wave(1.5, 0.7, 0.1, from: step * 18)
                sample = try schedule.step(modelOutput: output, sample: sample, state: &state, noise: &noise)
                if let wanted = samples["\(step)"] {
                    #expect(relativeDifference(sample, wanted.map(Float.init)) <= 2e-5, "\(key) step \(step)")
                }
            }
        }
    }

    private func wave(_ amplitude: Double, _ rate: Double, _ offset: Double, from start: Int) -> [Float] {
        (start..<start + 18).map { Float(amplitude * sin(rate * Double($0) + offset)) }
    }

    @Test(arguments: [
        ("cosine", #"{"beta_schedule": "squaredcos_cap_v2"}"#),
        ("sd", #"{"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}"#),
    ])
    func noiseSchedule_equalsDiffusers(name: String, json: String) throws {
        let expected = try SafetensorsFixture("units/schedulers/expected.safetensors")
        let noiseSchedule = try NoiseSchedule(SchedulerConfiguration(json: Data(json.utf8)))
        let alphas = try expected.floats("\(name).alphas_cumprod")
        #expect(zip(noiseSchedule.alphasCumprod, alphas).allSatisfy { abs($0 - $1) <= 1e-6 * $1 })
        #expect(noiseSchedule.alphasCumprod.count == alphas.count)

        let timesteps = try expected.doubles("\(name).t").map { Int($0) }
        let count = timesteps.count
        let samples = try expected.rows("\(name).x", count: count)
        let noise = try expected.rows("\(name).noise", count: count)
        let noisy = try expected.rows("\(name).add_noise", count: count)
        let velocity = try expected.rows("\(name).velocity", count: count)
        for (row, timestep) in timesteps.enumerated() {
            let added = noiseSchedule.addNoise(to: samples[row], noise: noise[row], timestep: timestep)
            #expect(relativeDifference(added, noisy[row]) <= 2e-6)
            let learned = noiseSchedule.velocity(of: samples[row], noise: noise[row], timestep: timestep)
            #expect(relativeDifference(learned, velocity[row]) <= 2e-6)
        }
    }
}
