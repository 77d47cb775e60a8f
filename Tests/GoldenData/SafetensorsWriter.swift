package import Foundation

/// Writes small checkpoints for tests: well-formed ones and, through `header`, others.
package enum SafetensorsWriter {
    /// A float32 file with these tensors, in this order.
    package static func file(_ tensors: [(name: String, shape: [Int], values: [Float])]) -> Data {
        var offset = 0
        let entries = tensors.map { tensor in
            let end = offset + 4 * tensor.values.count
            defer { offset = end }
            return #""\#(tensor.name)":{"dtype":"F32","shape":\#(tensor.shape),"data_offsets":[\#(offset),\#(end)]}"#
        }
        let data = tensors.reduce(into: Data()) { data, tensor in
            tensor.values.withUnsafeBytes { data.append(contentsOf: $0) }
        }
        return file(header: "{\(entries.joined(separator: ","))}", data: data)
    }

    /// Any header before any data.
    package static func file(header: String, data: Data = Data()) -> Data {
        var length = UInt64(header.utf8.count).littleEndian
        return Data(bytes: &length, count: 8) + Data(header.utf8) + data
    }
}

/// Runs `body` with an empty folder that is gone afterwards.
package func withTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "triptych-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
}
