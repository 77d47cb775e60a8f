import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct MetaQueryConnectorTests {
    private static let goldens = [
        "metaquery_llavaov_sana/cases/t2i", "metaquery_llavaov_sana/cases/edit",
        "metaquery_llavaov_sana/cases/two_images", "metaquery_qwen25vl_sd/cases/t2i",
        "metaquery_qwen25vl_sd/cases/two_images",
    ]
    private static let hasGoldens =
        GoldenData.isHere("metaquery_llavaov_sana") && GoldenData.isHere("metaquery_qwen25vl_sd")

    private static let config = MetaQueryConnectorConfig(inputWidth: 128, outputWidth: 192, layers: 2)

    private func connector(_ config: MetaQueryConnectorConfig = config) -> MetaQueryConnector {
        MetaQueryConnector(config, RandomParameters(dtype: .float32).reader)
    }

    @Test(.enabled(if: hasGoldens, "needs the full golden data: TRIPTYCH_GOLDENS"), arguments: goldens)
    func output_equalsTheReference(name: String) throws {
        let golden = try GoldenCase(name)
        let queries = try golden.tensor("query_hidden")
        let expected = try golden.tensor("connector_output")
        let config = MetaQueryConnectorConfig(
            inputWidth: queries.shape[2],
            outputWidth: expected.shape[2],
            layers: 2
        )
        let keys = KeyTable(ignoredPrefixes: ["model.mllm_backbone.", "model.transformer.", "vae."])
        let connector = try Checkpoint(golden.folder.appending(path: golden.string("checkpoint")))
            .load(keys: keys) { MetaQueryConnector(config, $0["model"]["connector"]) }
        let encoded = deviation(connector.encoded(queries), from: try golden.tensor("connector_encoder_output"))
        #expect(encoded < 5e-5, "the encoder is off by \(encoded) × scale")
        let output = connector(queries)
        #expect(output.shape == expected.shape)
        #expect(deviation(output, from: expected) < 5e-5, "off by \(deviation(output, from: expected)) × scale")
    }

    @Test func projectionFirst_runsTheEncoderAtTheWidthOfTheConditions() {
        var config = Self.config
        config.order = .projectionFirst
        #expect(config.encoderWidth == 192 && config.heads == 3 && config.feedForwardWidth == 768)
        let connector = connector(config)
        let queries = noise([1, 5, 128], seed: 1)
        let output = connector(queries)
        #expect(output.shape == [1, 5, 192])
        #expect(output.array == connector.encoded(connector.projected(queries)).array)
        #expect(output.array != connector.projected(queries).array)
    }

    @Test func everyQuery_seesTheOthersAndItsPlace() {
        let connector = connector()
        let queries = noise([1, 6, 128], seed: 2)
        let output = connector(queries).reshaped([6, 192])
        var changed = queries.array
        changed[5 * 128] += 1
        let other = connector(Tensor(changed, shape: [1, 6, 128])).reshaped([6, 192])
        #expect(output[item: 0] != other[item: 0])
        let rows = queries.reshaped([6, 128])
        let turned = connector(.concatenated([rows[3..<6], rows[0..<3]], axis: 0).reshaped([1, 6, 128]))
        #expect(turned.reshaped([6, 192])[item: 3] != output[item: 0])
    }

    @Test(arguments: MetaQueryConnectorConfig.Order.allCases)
    func rows_doNotDependOnTheirNeighbours(order: MetaQueryConnectorConfig.Order) {
        var config = Self.config
        config.order = order
        let connector = connector(config)
        let queries = noise([8, 20, 128], seed: 3)
        let alone = (0..<8).map { connector(queries[$0..<($0 + 1)]).array }
        for batch in 2...8 {
            let output = connector(queries[0..<batch])
            for item in 0..<batch { #expect(output[item: item] == alone[item], "\(item) of \(batch)") }
        }
    }
}
