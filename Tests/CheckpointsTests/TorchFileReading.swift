import Checkpoints
import Foundation
import GoldenData

/// Opens a file of these bytes as `torch.save`'s.
func openTorchFile(_ data: Data, stateDict: [String] = []) throws -> TorchFile {
    try withTemporaryFolder { folder in
        let url = folder.appending(path: "model.pt")
        try data.write(to: url)
        return try TorchFile(url, stateDict: stateDict)
    }
}

/// Why a file can't be used: the reason of a typed error, or what else happened, which no test expects.
func refusal(of data: Data, stateDict: [String] = []) -> String {
    do {
        let file = try openTorchFile(data, stateDict: stateDict)
        return "no error, \(file.tensors.count) tensors"
    } catch CheckpointError.malformedFile(_, let reason) {
        return reason
    } catch {
        return "another error: \(error)"
    }
}

func refusal(ofPickle pickle: [UInt8]) -> String { refusal(of: ZipWriter(pickle: pickle).file()) }
