/// Members in their order. The reader admits no key twice.
package struct JSONObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    package struct Member: Sendable, Equatable {
        package let key: JSONString
        package let value: JSONValue

        package var name: String { key.text }
    }

    package private(set) var members: [Member] = []

    package init() {}

    /// - Parameter members: keys known to differ.
    package init(_ members: some Sequence<(String, JSONValue)>) {
        self.members = members.map { Member(key: JSONString($0), value: $1) }
    }

    package init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }

    /// The value of a member; setting it replaces the member or adds one at the end.
    package subscript(key: String) -> JSONValue? {
        get { index(of: key).map { members[$0].value } }
        set {
            switch (index(of: key), newValue) {
            case (let index?, let value?): members[index] = Member(key: members[index].key, value: value)
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): append(JSONString(key), value)
            case (nil, nil): break
            }
        }
    }

    private func index(of key: String) -> Int? {
        members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
    }

    /// Adds a member whose key is known to be new.
    package mutating func append(_ key: JSONString, _ value: JSONValue) {
        members.append(Member(key: key, value: value))
    }
}
