/// Bytes that arrived and are not decoded yet.
///
/// Lines are found incrementally: no byte is searched twice, however small the pieces in which it comes.
struct InputBuffer {
    private(set) var bytes: [UInt8] = []
    private var start = 0
    private var searched = 0

    /// The number of bytes that are not taken yet.
    var count: Int { bytes.count - start }

    mutating func append(_ new: UnsafeRawBufferPointer) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            (start, searched) = (0, 0)
        } else if start > bytes.count / 2 {
            // Moving less than what was taken since the last move keeps the whole linear.
            bytes.removeFirst(start)
            (start, searched) = (0, searched - start)
        }
        bytes.append(contentsOf: new)
    }

    /// Takes the next line, without its line end, as a range of ``bytes`` that holds until the next `append`.
    ///
    /// - Parameters:
    ///   - limit: the most bytes the line may have without its line end.
    ///   - overflow: the error for a longer one, thrown as soon as it is known.
    /// - Returns: nil if the line is not complete.
    /// - Throws: `overflow`, or ``HTTPStatusError/bareLineFeed``. A bare CR stays in the line: no grammar allows it.
    mutating func takeLine(limit: Int, overflow: HTTPStatusError) throws(HTTPStatusError) -> Range<Int>? {
        guard let end = bytes.span.firstIndex(of: .lineFeed, from: searched) else {
            searched = bytes.count
            // One byte more than the limit may be the CR of the line end.
            guard count <= limit + 1 else { throw overflow }
            return nil
        }
        guard end - start <= limit + 1 else { throw overflow }
        guard end > start, bytes[end - 1] == .carriageReturn else { throw .bareLineFeed }
        defer { (start, searched) = (end + 1, end + 1) }
        return start..<end - 1
    }

    /// Moves up to `most` bytes to the end of `body` and returns how many there were.
    mutating func take(_ most: Int, into body: inout [UInt8]) -> Int {
        let taken = min(most, count)
        body.append(contentsOf: bytes[start..<start + taken])
        start += taken
        searched = start
        return taken
    }

    mutating func skip(_ most: Int) -> Int {
        let taken = min(most, count)
        start += taken
        searched = start
        return taken
    }
}
