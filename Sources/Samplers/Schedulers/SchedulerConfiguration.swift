package import Foundation
import StrictJSON

/// The options of a diffusers `scheduler_config.json`, read but not yet interpreted.
///
/// Each scheduler reads the options it knows and holds its own defaults, so that one file can configure several
/// schedulers, as `from_config` does in diffusers: options that a scheduler lacks are ignored, and those absent from the
/// file take that scheduler's defaults.
package struct SchedulerConfiguration: Sendable, Equatable {
    /// Options are values, lists and, nested in some, objects.
    private static let rules = JSONRules(depthLimit: 16, valueLimit: 1 << 20, admitsNonFiniteNumbers: true)

    private let options: JSONObject

    /// - Throws: `SchedulerError.malformedFile` if `json` is no JSON object.
    package init(json: Data) throws(SchedulerError) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: Array(json), rules: Self.rules)
        } catch {
            throw .malformedFile(reason: "not JSON: \(error)")
        }
        guard case .object(let options) = value else {
            throw .malformedFile(reason: "expected an object, found \(value.kind)")
        }
        self.options = options
    }

    /// The scheduler that the file names in `_class_name`.
    package func makeScheduler() throws(SchedulerError) -> any Scheduler {
        guard let kind: SchedulerKind = try choice("_class_name") else {
            throw .invalidOption(path: "$._class_name", reason: "is missing")
        }
        return try makeScheduler(kind)
    }

    /// The scheduler `kind` with this file's options, whatever class the file names: `Kind.from_config(config)`.
    package func makeScheduler(_ kind: SchedulerKind) throws(SchedulerError) -> any Scheduler {
        switch kind {
        case .ddim: try DDIMScheduler(self)
        case .ddpm: try DDPMScheduler(self)
        case .pndm: try PNDMScheduler(self)
        case .dpmSolverMultistep: try DPMSolverMultistepScheduler(self)
        case .flowMatchEulerDiscrete: try FlowMatchEulerDiscreteScheduler(self)
        }
    }

    // MARK: Options

    func flag(_ key: String, default standard: Bool) throws(SchedulerError) -> Bool {
        switch options[key] ?? .null {
        case .null: return standard
        case .bool(let value): return value
        default: throw invalid(key, "is not true or false")
        }
    }

    func number(_ key: String, default standard: Double) throws(SchedulerError) -> Double {
        switch options[key] ?? .null {
        case .null: return standard
        case let value:
            guard let number = value.doubleValue else { throw invalid(key, "is not a number") }
            return number
        }
    }

    func number(_ key: String, default standard: Double, in range: ClosedRange<Double>) throws(SchedulerError) -> Double
    {
        let value = try number(key, default: standard)
        guard range.contains(value) else {
            throw invalid(key, "\(value) is outside \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }

    func integer(_ key: String, default standard: Int, in range: ClosedRange<Int>) throws(SchedulerError) -> Int {
        guard let value = Int(exactly: try number(key, default: Double(standard))), range.contains(value) else {
            throw invalid(key, "is not an integer in \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }

    func numbers(_ key: String) throws(SchedulerError) -> [Double]? {
        switch options[key] ?? .null {
        case .null: return nil
        case .array(let elements):
            let numbers = elements.compactMap(\.doubleValue)
            guard numbers.count == elements.count else { break }
            return numbers
        default: break
        }
        throw invalid(key, "is not an array of numbers")
    }

    func choice<Choice>(
        _ key: String
    ) throws(SchedulerError) -> Choice? where Choice: RawRepresentable<String> & CaseIterable {
        switch options[key] ?? .null {
        case .null: return nil
        case .string(let name):
            guard let choice = Choice(rawValue: name.text) else {
                let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
                throw invalid(key, "\"\(name)\" is not supported; known: \(known)")
            }
            return choice
        default: throw invalid(key, "is not a string")
        }
    }

    /// Refuses options that would change the result and are not supported here, unless they are off.
    func refuse(_ keys: String...) throws(SchedulerError) {
        for key in keys {
            switch options[key] ?? .null {
            case .null, .bool(false): continue
            case .number(let number) where number.double == 0: continue
            default: throw invalid(key, "is not supported")
            }
        }
    }

    func invalid(_ key: String, _ reason: String) -> SchedulerError {
        .invalidOption(path: "$.\(key)", reason: reason)
    }
}

/// The diffusers classes that are implemented, by class name.
package enum SchedulerKind: String, CaseIterable, Sendable {
    case ddim = "DDIMScheduler"
    case ddpm = "DDPMScheduler"
    case pndm = "PNDMScheduler"
    case dpmSolverMultistep = "DPMSolverMultistepScheduler"
    case flowMatchEulerDiscrete = "FlowMatchEulerDiscreteScheduler"
}

/// What the network predicts.
package enum PredictionType: String, CaseIterable, Sendable {
    /// The noise ε.
    case epsilon
    /// The clean latents x₀.
    case sample
    /// v = √ᾱ ε − √(1 − ᾱ) x₀ (Salimans and Ho, 2022).
    case velocity = "v_prediction"
    /// ε − x₀, the velocity of a straight path (rectified flow).
    case flow = "flow_prediction"
}
