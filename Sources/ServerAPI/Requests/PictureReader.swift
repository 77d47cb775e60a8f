import Foundation
import HTTPMessages
import Images
import StrictJSON

/// Turns the pictures of a request into pixels.
struct PictureReader {
    /// Of a picture, and of all pictures of a request together.
    let maxPixels: Int
    /// Of a picture's file.
    let maxBytes: Int

    /// All pictures of a request, in the order in which they were given.
    func pictures(of fields: RequestFields) throws(APIError) -> [PixelImage] {
        var sources: [(param: String, bytes: Data)] = []
        for part in fields.pictureParts {
            sources.append((part.name, try bytes(of: part.body, param: part.name)))
        }
        for name in ["image", "images"] {
            guard let value = fields.json(name) else { continue }
            if case .array(let elements) = value {
                for (index, element) in elements.enumerated() {
                    let param = "\(name)[\(index)]"
                    sources.append((param, try bytes(of: element, param: param)))
                }
            } else if name == "image" {
                sources.append((name, try bytes(of: value, param: name)))
            } else {
                throw .wrongType(name, expected: "a list", found: value.kind)
            }
        }
        return try decode(sources)
    }

    /// Pictures that are values of their own, such as the parts of a message, in their order.
    func pictures(_ values: [(param: String, value: JSONValue)]) throws(APIError) -> [PixelImage] {
        var sources: [(param: String, bytes: Data)] = []
        for (param, value) in values { sources.append((param, try bytes(of: value, param: param))) }
        return try decode(sources)
    }

    private func decode(_ sources: [(param: String, bytes: Data)]) throws(APIError) -> [PixelImage] {
        var left = maxPixels
        var pictures: [PixelImage] = []
        for source in sources {
            let picture = try decode(source.bytes, param: source.param, pixelsLeft: left)
            left -= picture.width * picture.height
            pictures.append(picture)
        }
        return pictures
    }

    private func decode(_ bytes: Data, param: String, pixelsLeft: Int) throws(APIError) -> PixelImage {
        do {
            return try ImageDecoder.decode(
                bytes,
                limits: ImageLimits(maxPixels: pixelsLeft, maxBytes: maxBytes),
                applyOrientation: true
            )
        } catch {
            throw .invalid(param, "'\(param)' can't be read: \(error).", code: "invalid_image")
        }
    }

    /// A form's part is the file itself, or its data URI as text.
    private func bytes(of body: ArraySlice<UInt8>, param: String) throws(APIError) -> Data {
        guard body.starts(with: "data:".utf8), let text = String(validating: body, as: UTF8.self) else {
            return Data(body)
        }
        return try bytes(ofURI: text, param: param)
    }

    /// A data URI, or `{"image_url": URI}`, or `{"image_url": {"url": URI}}`.
    private func bytes(of value: JSONValue, param: String) throws(APIError) -> Data {
        switch value {
        case .string(let uri): return try bytes(ofURI: uri.text, param: param)
        case .object(let object):
            try object.refuseMembers(except: ["image_url", "type"], of: param)
            if let type = object["type"], type != "image_url", type != .null {
                throw .invalid("\(param).type", "'\(param).type' must be 'image_url'.")
            }
            switch object["image_url"] {
            case .string(let uri): return try bytes(ofURI: uri.text, param: "\(param).image_url")
            case .object(let address): return try bytes(ofAddress: address, param: "\(param).image_url")
            case nil, .null: throw .missing("\(param).image_url")
            case .some(let other): throw .wrongType("\(param).image_url", expected: "an object", found: other.kind)
            }
        default: throw .wrongType(param, expected: "a data URI", found: value.kind)
        }
    }

    private func bytes(ofAddress address: JSONObject, param: String) throws(APIError) -> Data {
        try address.refuseMembers(except: ["url"], neutral: ["detail"], of: param)
        switch address["url"] {
        case .string(let uri): return try bytes(ofURI: uri.text, param: "\(param).url")
        case nil, .null: throw .missing("\(param).url")
        case .some(let other): throw .wrongType("\(param).url", expected: "a string", found: other.kind)
        }
    }

    /// - Parameter uri: `data:image/…;base64,…` (RFC 2397); what the picture is, its bytes tell.
    private func bytes(ofURI uri: String, param: String) throws(APIError) -> Data {
        let scheme = uri.prefix { $0 != ":" }.lowercased()
        if scheme == "http" || scheme == "https" {
            throw .invalid(
                param,
                "Pictures from the network are not allowed; send a data URI.",
                code: "image_url_not_allowed"
            )
        }
        guard scheme == "data", let comma = uri.utf8.firstIndex(of: UInt8(ascii: ",")) else {
            throw .invalid(param, "'\(param)' must be a data URI.", code: "invalid_image")
        }
        guard uri[..<comma].lowercased().hasSuffix(";base64") else {
            throw .invalid(param, "The data URI of '\(param)' must be in base64.", code: "invalid_image")
        }
        guard let bytes = Data(base64Encoded: String(uri[uri.utf8.index(after: comma)...])) else {
            throw .invalid(param, "The data URI of '\(param)' is not valid base64.", code: "invalid_image")
        }
        return bytes
    }
}
