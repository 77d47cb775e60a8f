package import StrictJSON

extension JSONRules {
    /// Requests nest five levels, and a list of pictures is the longest that they hold.
    package static let requests = JSONRules(depthLimit: 64, valueLimit: 100_000, markLimit: markLimit)

    /// No writing has as many marks on one character.
    package static let markLimit = 100
}
