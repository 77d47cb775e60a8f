import Foundation
import Samplers
import Testing

struct SchedulerConfigurationTests {
    private static func makeScheduler(_ json: String) throws -> any Scheduler {
        try SchedulerConfiguration(json: Data(json.utf8)).makeScheduler()
    }

    @Test func pythonLiterals_areRead() throws {
        let json = #"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity, "unknown": NaN}"#
        #expect(try Self.makeScheduler(json).schedule(steps: 2).timesteps == [999, 500])
    }

    @Test(arguments: [
        (#"{}"#, "$._class_name"),
        (#"{"_class_name": 3}"#, "$._class_name"),
        (#"{"_class_name": "EulerDiscreteScheduler"}"#, "$._class_name"),
        (#"{"_class_name": "DDIMScheduler", "beta_schedule": "sigmoid"}"#, "$.beta_schedule"),
        (#"{"_class_name": "DDIMScheduler", "beta_start": "0.1"}"#, "$.beta_start"),
        (#"{"_class_name": "DDIMScheduler", "beta_end": 1.5}"#, "$.beta_end"),
        (#"{"_class_name": "DDIMScheduler", "beta_end": NaN}"#, "$.beta_end"),
        (#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 1}"#, "$.num_train_timesteps"),
        (#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 10.5}"#, "$.num_train_timesteps"),
        (#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 1e300}"#, "$.num_train_timesteps"),
        (#"{"_class_name": "DDIMScheduler", "num_train_timesteps": -Infinity}"#, "$.num_train_timesteps"),
        (#"{"_class_name": "DDIMScheduler", "trained_betas": [0.1, 0.2]}"#, "$.trained_betas"),
        (#"{"_class_name": "DDIMScheduler", "trained_betas": {"a": 1}}"#, "$.trained_betas"),
        (#"{"_class_name": "DDIMScheduler", "steps_offset": -1}"#, "$.steps_offset"),
        (#"{"_class_name": "DDIMScheduler", "clip_sample": 1}"#, "$.clip_sample"),
        (#"{"_class_name": "DDIMScheduler", "prediction_type": "flow_prediction"}"#, "$.prediction_type"),
        (#"{"_class_name": "DDIMScheduler", "timestep_spacing": "sideways"}"#, "$.timestep_spacing"),
        (#"{"_class_name": "DDPMScheduler", "variance_type": "learned_range"}"#, "$.variance_type"),
        (#"{"_class_name": "PNDMScheduler", "prediction_type": "sample"}"#, "$.prediction_type"),
        (#"{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 4}"#, "$.solver_order"),
        (#"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}"#, "$.algorithm_type"),
        (#"{"_class_name": "DPMSolverMultistepScheduler", "use_beta_sigmas": true}"#, "$.use_beta_sigmas"),
        (#"{"_class_name": "DPMSolverMultistepScheduler", "final_sigmas_type": "one"}"#, "$.final_sigmas_type"),
        (#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": 99}"#, "$.lambda_min_clipped"),
        (#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": true}"#, "$.invert_sigmas"),
        (
            #"{"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": true}"#,
            "$.use_dynamic_shifting"
        ),
        (
            #"{"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": true, "beta_start": 0, "beta_end": 0}"#,
            "$.rescale_betas_zero_snr"
        ),
        (#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift_terminal": 0.1}"#, "$.shift_terminal"),
        (#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 0}"#, "$.shift"),
    ])
    func badOption_isNamedByItsPath(json: String, path: String) {
        do {
            _ = try Self.makeScheduler(json)
            Issue.record("accepted")
        } catch SchedulerError.invalidOption(let named, _) {
            #expect(named == path)
        } catch {
            Issue.record(error)
        }
    }

    @Test(arguments: ["", "[]", "3", "{\"a\": }", "{\"a\": 1", "\u{0}"])
    func malformedFile_isRefused(text: String) {
        do {
            _ = try SchedulerConfiguration(json: Data(text.utf8))
            Issue.record("accepted")
        } catch {
            if case .malformedFile = error { return }
            Issue.record(error)
        }
    }

    @Test func switchedOffOptions_areAccepted() throws {
        let json = """
            {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_karras_sigmas": false, "shift_terminal": null}
            """
        #expect(try Self.makeScheduler(json).schedule(steps: 1).sigmas == [1, 0])
    }

    /// Options of another class keep their meaning; what that class defaults does not carry over.
    @Test func configurationOfAnotherClass_takesOwnDefaults() throws {
        let json = #"{"_class_name": "PNDMScheduler", "skip_prk_steps": true, "steps_offset": 1}"#
        let configuration = try SchedulerConfiguration(json: Data(json.utf8))
        #expect(try configuration.makeScheduler(.dpmSolverMultistep).schedule(steps: 2).timesteps == [999, 500])
        #expect(try configuration.makeScheduler().schedule(steps: 2).timesteps.first == 501)
    }
}
