import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct AutoencoderKLTests {
    private func golden() throws -> (GoldenCase, AutoencoderKL) {
        let golden = try GoldenCase("units/modules", tensors: "autoencoder_kl.safetensors")
        let vae = "../../metamorph/components/stable-diffusion-v1-5/stable-diffusion-v1-5/vae"
        return (golden, try TestNetworks.autoencoder(golden.folder.appending(path: vae)))
    }

    private func batch(_ tensor: Tensor) -> Tensor { tensor.permuted([0, 2, 3, 1]) }

    @Test func encode_givesTheScaledMode() throws {
        let (golden, autoencoder) = try golden()
        let latents = autoencoder.encode(batch(try golden.tensor("image")))
        #expect(deviation(latents, from: batch(try golden.tensor("latent_scaled_mode"))) < 2e-5)
    }

    @Test func decode_equalsTheReference() throws {
        let (golden, autoencoder) = try golden()
        let latents = batch(try golden.tensor("z")).scaled(by: Float(autoencoder.config.scalingFactor))
        #expect(deviation(autoencoder.decode(latents), from: batch(try golden.tensor("decoded"))) < 2e-5)
    }

    @Test(arguments: TestNetworks.models)
    func decode_equalsTheReferenceOfTheModel(model: String) throws {
        let autoencoder = try TestNetworks.autoencoder(TestNetworks.folder(model).appending(path: "vae"))
        let golden = try GoldenCase("\(model)/cases/text_to_image")
        let decoded = autoencoder.decode(try golden.tensor("latents_last").channelsLast).channelsFirst
        #expect(deviation(decoded, from: try golden.tensor("decoded")) < 2e-5)
    }

    @Test func pictures_doNotDependOnTheirNeighbours() throws {
        let (_, autoencoder) = try golden()
        let latents = noise([8, 5, 6, 4], seed: 3)
        let pictures = noise([8, 16, 24, 3], seed: 4)
        let decodedAlone = (0..<8).map { autoencoder.decode(latents[$0..<($0 + 1)]).array }
        let encodedAlone = (0..<8).map { autoencoder.encode(pictures[$0..<($0 + 1)]).array }
        for batch in 2...8 {
            let decoded = autoencoder.decode(latents[0..<batch])
            let encoded = autoencoder.encode(pictures[0..<batch])
            for item in 0..<batch {
                #expect(decoded[item: item] == decodedAlone[item], "decoded item \(item) of \(batch)")
                #expect(encoded[item: item] == encodedAlone[item], "encoded item \(item) of \(batch)")
            }
        }
    }

    @Test func keys_ofOldCheckpointsAreRenamed() throws {
        let (golden, _) = try golden()
        let vae = "../../metamorph/components/stable-diffusion-v1-5/stable-diffusion-v1-5/vae"
        let folder = golden.folder.appending(path: vae)
        let config = try ConfigurationFile.decode(AutoencoderKLConfig.self, at: folder.appending(path: "config.json"))
        let file = try SafetensorsFile(folder.appending(path: "diffusion_pytorch_model.safetensors"))
        let names = [".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."]
        let old = file.tensors.map { tensor in
            (names.reduce(tensor.name) { $0.replacing($1.key, with: $1.value) }, tensor.shape, tensor.tensor().array)
        }
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "diffusion_pytorch_model.fp16.safetensors")
            try SafetensorsWriter.file(old).write(to: url)
            let checkpoint = try Checkpoint(folder)
            #expect(checkpoint.problems(keys: AutoencoderKL.keys) { AutoencoderKL(config, $0) }.isEmpty)
            #expect(checkpoint.problems { AutoencoderKL(config, $0) }.count == 2 * 2 * 8)
        }
    }

    /// An autoencoder of random weights with the depth of Stable Diffusion's and few channels.
    private func randomAutoencoder() throws -> AutoencoderKL {
        let json = """
            {"block_out_channels": [8, 8, 8, 8], "layers_per_block": 2, "norm_num_groups": 4, "latent_channels": 4,
             "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
             "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
            """
        let config = try ConfigurationFile.decode(AutoencoderKLConfig.self, from: Data(json.utf8), file: "config.json")
        return try withTemporaryFolder { folder in
            let url = folder.appending(path: "model.safetensors")
            try SafetensorsWriter.file([]).write(to: url)
            let missing = try Checkpoint(folder).problems { AutoencoderKL(config, $0) }
            let contents = missing.enumerated().compactMap { index, problem -> (String, [Int], [Float])? in
                guard case .missing(let key, let shape) = problem else { return nil }
                let isNorm = shape.count == 1 && key.contains("norm") && key.hasSuffix("weight")
                let inputs = Float(shape.dropFirst().reduce(1, *))
                let values = noise(shape, seed: UInt64(index)).scaled(
                    by: shape.count == 1 ? 0.1 : (3 / inputs).squareRoot()
                )
                return (key, shape, isNorm ? values.array.map { 1 + $0 } : values.array)
            }
            try SafetensorsWriter.file(contents).write(to: url)
            return try Checkpoint(folder).load { AutoencoderKL(config, $0) }
        }
    }

    @Test func tiles_leaveNoSeams() throws {
        let autoencoder = try randomAutoencoder()
        let latents = noise([1, 80, 96, 4], seed: 9)  // 640 × 768 pixels
        let whole = autoencoder.decode(latents, tiled: false)
        let tiled = autoencoder.decode(latents)
        #expect(tiled.shape == [1, 640, 768, 3])
        let scale = whole.array.reduce(0) { max($0, abs($1)) }
        let error = zip(tiled.array, whole.array).map { ($0 - $1) / scale }
        // A level of 256 is 0.008 of −1…1: group norms of a tile see other statistics than those of the whole.
        #expect(error.allSatisfy { abs($0) < 0.02 })
        #expect((error.reduce(0) { $0 + $1 * $1 } / Float(error.count)).squareRoot() < 0.002)
        let rowWidth = 3 * 768
        let acrossColumns = error.indices.dropFirst(3).map { abs(error[$0] - error[$0 - 3]) }
        let acrossRows = error.indices.dropFirst(rowWidth).map { abs(error[$0] - error[$0 - rowWidth]) }
        #expect(acrossColumns.allSatisfy { $0 < 0.012 })
        #expect(acrossRows.allSatisfy { $0 < 0.012 })
    }
}
