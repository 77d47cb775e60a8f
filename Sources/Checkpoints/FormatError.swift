/// What in a file breaks the rules of its format; whoever opened the file adds its name.
struct FormatError: Error {
    var reason: String

    init(_ reason: String) { self.reason = reason }
}
