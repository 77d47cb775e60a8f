extension StringProtocol {
    /// Whether there is nothing here but ASCII digits: `Int.init` and `Double.init` take signs and more.
    var isDigits: Bool { utf8.allSatisfy { 0x30...0x39 ~= $0 } }
}
