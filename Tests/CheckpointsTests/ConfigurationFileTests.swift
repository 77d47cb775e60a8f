import Checkpoints
import Foundation
import Testing

@Suite struct ConfigurationFileTests {
    private struct Config: Decodable {
        struct Inner: Decodable {
            var width: Int
            var factor: Double
            enum CodingKeys: String, CodingKey { case width, factor }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                width = try container.integer(.width, in: .networkSize)
                factor = try container.number(.factor, in: 0...10, default: 2)
            }
        }
        var inner: Inner
        var bounds: [Double]?
    }

    private func decode(_ json: String) throws -> Config {
        try ConfigurationFile.decode(Config.self, from: Data(json.utf8), file: "config.json")
    }

    private func error(_ json: String) -> String {
        do {
            _ = try decode(json)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func config_takesDefaultsForMissingAndNull() throws {
        #expect(try decode(#"{"inner": {"width": 3}}"#).inner.factor == 2)
        #expect(try decode(#"{"inner": {"width": 3, "factor": null}}"#).inner.factor == 2)
    }

    @Test func config_readsPythonsBareLiterals() throws {
        let bounds = try decode(#"{"inner": {"width": 3}, "bounds": [-Infinity, Infinity, NaN]}"#).bounds
        #expect(bounds?[0] == -.infinity)
        #expect(bounds?[1] == .infinity)
        #expect(bounds?[2].isNaN == true)
    }

    @Test func config_errorsNameTheJSONPath() {
        #expect(error(#"{"inner": {}}"#) == "config.json: inner.width: is missing")
        #expect(error(#"{}"#) == "config.json: inner: is missing")
        #expect(error(#"{"inner": {"width": "3"}}"#) == "config.json: inner.width: expected Int")
        #expect(error(#"{"inner": {"width": 0}}"#).hasPrefix("config.json: inner.width: 0 is not within 1…"))
        #expect(error(#"{"inner": {"width": 3, "factor": NaN}}"#).hasPrefix("config.json: inner.factor:"))
        #expect(error(#"{"inner": {"width": 3, "factor": 1e400}}"#).hasPrefix("config.json: "))
        #expect(error(#"{"inner": {"width": 3}, "bounds": [1, "x"]}"#).hasPrefix("config.json: bounds[1]:"))
        #expect(error("{").hasPrefix("config.json: "))
        #expect(error("").hasPrefix("config.json: "))
        #expect(error(String(repeating: "[", count: 100_000)).hasPrefix("config.json: "))
    }
}
