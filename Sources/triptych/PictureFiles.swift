import Foundation
import Images

/// Pictures in files: conditioning pictures in, results out.
enum PictureFiles {
    /// - Throws: `CommandFailure` naming the file.
    static func read(_ paths: [String], maxPixels: Int) throws -> [PixelImage] {
        try paths.map { path in
            do {
                let data = try Data(contentsOf: URL(fileURLWithPath: path))
                let limits = ImageLimits(maxPixels: maxPixels, maxBytes: Int.max)
                return try ImageDecoder.decode(data, limits: limits)
            } catch let error as ImageError {
                throw CommandFailure("\(path): \(error)")
            } catch {
                throw CommandFailure("\(path): \(error.localizedDescription)")
            }
        }
    }

    /// Files as data URIs: whoever reads them sees from the bytes what they are.
    /// - Throws: `CommandFailure` naming the file.
    static func dataURIs(_ paths: [String]) throws -> [String] {
        try paths.map { path in
            do {
                let data = try Data(contentsOf: URL(fileURLWithPath: path))
                return "data:image/*;base64," + data.base64EncodedString()
            } catch {
                throw CommandFailure("\(path): \(error.localizedDescription)")
            }
        }
    }

    /// The format that a file name asks for.
    /// - Throws: `CommandFailure` for any other ending than .png, .jpg, .jpeg and .webp.
    static func format(of path: String) throws -> ImageFormat {
        switch URL(fileURLWithPath: path).pathExtension.lowercased() {
        case "png": .png
        case "jpg", "jpeg": .jpeg
        case "webp": .webp
        case let other: throw CommandFailure("\(path): can't write .\(other) pictures; use .png, .jpg or .webp")
        }
    }

    /// `out.png` for one picture; `out-1.png`, `out-2.png`, … for several.
    static func names(_ path: String, count: Int) -> [String] {
        guard count > 1 else { return [path] }
        let ending = "." + URL(fileURLWithPath: path).pathExtension
        let stem = path.dropLast(ending.count)
        return (1...count).map { "\(stem)-\($0)\(ending)" }
    }

    /// - Throws: `CommandFailure` naming the file.
    static func write(_ data: Data, to path: String) throws {
        do {
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw CommandFailure("\(path): can't be written: \(error.localizedDescription)")
        }
    }
}
