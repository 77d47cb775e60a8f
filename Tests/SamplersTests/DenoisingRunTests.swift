import Foundation
import Samplers
import Testing

/// Properties of runs that hold for every scheduler.
struct DenoisingRunTests {
    static let configurations = [
        #"{"_class_name": "DDIMScheduler"}"#,
        #"{"_class_name": "DDIMScheduler", "timestep_spacing": "trailing", "beta_schedule": "squaredcos_cap_v2"}"#,
        #"{"_class_name": "DDPMScheduler", "timestep_spacing": "linspace"}"#,
        #"{"_class_name": "PNDMScheduler", "skip_prk_steps": true}"#,
        #"{"_class_name": "PNDMScheduler"}"#,
        #"{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}"#,
        #"{"_class_name": "DPMSolverMultistepScheduler", "solver_type": "heun", "timestep_spacing": "trailing"}"#,
        #"{"_class_name": "DPMSolverMultistepScheduler", "timestep_spacing": "leading"}"#,
        #"{"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": true, "beta_schedule": "scaled_linear"}"#,
        """
        {"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": true, "flow_shift": 3.0,
         "prediction_type": "flow_prediction", "lambda_min_clipped": -Infinity}
        """,
        #"{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}"#,
    ]

    private static func schedule(_ json: String, steps: Int) throws -> DenoisingSchedule {
        try SchedulerConfiguration(json: Data(json.utf8)).makeScheduler().schedule(steps: steps)
    }

    /// A stand-in for a network, which pulls latents towards small values.
    private static func prediction(_ sample: [Float], _ timestep: Float) -> [Float] {
        sample.enumerated().map { index, value in 0.5 * value + 0.1 * sin(Float(index) + timestep) }
    }

    private struct SavedRun: Codable {
        var state: DenoisingState
        var generator: TorchGenerator
    }

    @Test(arguments: configurations)
    func savedRun_continuesToTheSameBytes(json: String) throws {
        let schedule = try Self.schedule(json, steps: 12)
        for stop in schedule.timesteps.indices {
            var outcomes: [[UInt32]] = []
            for isSaved in [false, true] {
                var run = SavedRun(state: DenoisingState(), generator: TorchGenerator(seed: 3))
                var sample = run.generator.randn(20)
                for (step, timestep) in schedule.timesteps.enumerated() {
                    if isSaved, step == stop {
                        run = try JSONDecoder().decode(SavedRun.self, from: JSONEncoder().encode(run))
                    }
                    sample = try schedule.step(
                        modelOutput: Self.prediction(sample, timestep),
                        sample: sample,
                        state: &run.state,
                        noise: &run.generator
                    )
                }
                outcomes.append(sample.map(\.bitPattern))
            }
            #expect(outcomes[0] == outcomes[1], "stopped before step \(stop)")
        }
    }

    private static func run(_ schedule: DenoisingSchedule, steps: Int) throws {
        #expect(schedule.timesteps.count >= steps)
        #expect(schedule.timesteps.allSatisfy { $0 >= 0 && $0 <= 1000 })
        var state = DenoisingState()
        var generator = TorchGenerator(seed: 1)
        var sample = generator.randn(4)
        for timestep in schedule.timesteps {
            let output = prediction(sample, timestep)
            sample = try schedule.step(modelOutput: output, sample: sample, state: &state, noise: &generator)
        }
        #expect(sample.allSatisfy { $0.isFinite }, "\(steps) steps")
    }

    /// Each number of steps either runs to finite latents or is refused with a typed error.
    @Test(arguments: configurations)
    func everyStepCount_runsOrIsRefused(json: String) throws {
        let counts = Array(1...40) + [61, 103, 121, 199, 250, 333, 499, 500, 501, 666, 998, 999, 1000]
        let scheduler = try SchedulerConfiguration(json: Data(json.utf8)).makeScheduler()
        var refused: [Int] = []
        for steps in counts {
            do {
                try Self.run(try scheduler.schedule(steps: steps), steps: steps)
            } catch let error as SchedulerError {
                guard case .invalidStepCount = error else { throw error }
                refused.append(steps)
            }
        }
        let isRungeKutta = json == #"{"_class_name": "PNDMScheduler"}"#
        let isLeadingSolver = json.contains("DPMSolver") && json.contains("leading")
        #expect(refused == (isRungeKutta ? [1, 2, 3] : isLeadingSolver ? [1000] : []))
    }

    @Test(arguments: configurations)
    func stepCountOutsideLimits_isRefused(json: String) throws {
        for steps in [Int.min, -1, 0, 1001, Int.max] {
            #expect(throws: SchedulerError.self) { try Self.schedule(json, steps: steps) }
        }
    }

    @Test func moreStepsThanTraining_isRefusedWhereDiffusersRaises() throws {
        for name in ["DDIMScheduler", "DDPMScheduler"] {
            let json = #"{"_class_name": "\#(name)", "num_train_timesteps": 10}"#
            #expect(try Self.schedule(json, steps: 10).timesteps.count == 10)
            #expect(throws: SchedulerError.invalidStepCount(steps: 11, reason: "this scheduler takes 1 to 10")) {
                try Self.schedule(json, steps: 11)
            }
        }
    }

    @Test func offsetBeyondTraining_isRefused() {
        let json = #"{"_class_name": "DDIMScheduler", "steps_offset": 1}"#
        #expect(throws: SchedulerError.self) { try Self.schedule(json, steps: 1000) }
    }

    @Test func finishedRun_isRefused() throws {
        let schedule = try Self.schedule(Self.configurations[0], steps: 1)
        var state = DenoisingState()
        var generator = TorchGenerator(seed: 0)
        _ = try schedule.step(modelOutput: [1], sample: [1], state: &state, noise: &generator)
        #expect(throws: SchedulerError.self) {
            try schedule.step(modelOutput: [1], sample: [1], state: &state, noise: &generator)
        }
    }

    @Test(arguments: configurations)
    func stateOfAnotherSchedule_isRefusedOrHarmless(json: String) throws {
        var generator = TorchGenerator(seed: 0)
        for other in Self.configurations {
            let source = try Self.schedule(other, steps: 12)
            var state = DenoisingState()
            for _ in 0..<5 {
                _ = try source.step(modelOutput: [1, 2], sample: [1, 2], state: &state, noise: &generator)
            }
            let target = try Self.schedule(json, steps: 12)
            do {
                _ = try target.step(modelOutput: [1, 2], sample: [1, 2], state: &state, noise: &generator)
            } catch SchedulerError.mismatchedState {
                continue
            }
        }
    }

    @Test func historyOfOtherSize_isRefused() throws {
        let schedule = try Self.schedule(Self.configurations[5], steps: 5)
        var state = DenoisingState()
        var generator = TorchGenerator(seed: 0)
        _ = try schedule.step(modelOutput: [1, 2], sample: [1, 2], state: &state, noise: &generator)
        #expect(throws: SchedulerError.self) {
            try schedule.step(modelOutput: [1], sample: [1], state: &state, noise: &generator)
        }
        #expect(throws: SchedulerError.self) {
            try schedule.step(modelOutput: [1, 2, 3], sample: [1, 2], state: &state, noise: &generator)
        }
    }

    @Test func damagedState_isRefused() {
        for json in ["{}", #"{"stepIndex": 1, "history": ["AAA="]}"#, #"{"stepIndex": 1.5, "history": []}"#] {
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode(DenoisingState.self, from: Data(json.utf8))
            }
        }
    }

    @Test func noiseAtTheFirstStep_hidesTheSample() throws {
        let schedule = try Self.schedule(Self.configurations[10], steps: 4)
        #expect(schedule.addNoise(to: [5, 6], noise: [1, 2], step: 0) == [1, 2])
        let last = schedule.addNoise(to: [5, 6], noise: [1, 2], step: 3)
        #expect(last[0] > 1 && last[0] < 5)
    }
}
