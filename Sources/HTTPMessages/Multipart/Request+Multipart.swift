import HTTPTypes

extension Request {
    /// The media type of the body without its parameters, in lower case, such as `application/json`.
    package var mediaType: String? {
        fields[.contentType].flatMap { FieldParameters($0) }?.value
    }

    /// The body as `multipart/form-data`.
    ///
    /// - Throws: ``HTTPStatusError`` 415 for another media type, 400 for a missing boundary or a malformed body.
    package func multipartForm() throws(HTTPStatusError) -> MultipartForm {
        guard let type = fields[.contentType].flatMap({ FieldParameters($0) }), type.value == "multipart/form-data"
        else {
            throw .mediaTypeNotMultipart
        }
        guard let boundary = type["boundary"] else { throw .multipart("Content-Type has no boundary.") }
        return try MultipartForm(body, boundary: boundary)
    }
}
