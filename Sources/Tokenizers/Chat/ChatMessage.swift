/// One message of a conversation.
package struct ChatMessage: Sendable, Equatable {
    package enum Role: String, Sendable {
        case system, user, assistant
    }

    package enum Part: Sendable, Equatable {
        case text(String)
        /// A picture; the template writes a placeholder token in its place.
        case image
        /// A video; the template writes a placeholder token in its place.
        case video
    }

    package var role: Role
    /// In the order in which they were sent; some templates move pictures to the front.
    package var parts: [Part]

    package init(_ role: Role, _ parts: [Part]) {
        self.role = role
        self.parts = parts
    }

    package init(_ role: Role, _ text: String) {
        self.init(role, [.text(text)])
    }
}
