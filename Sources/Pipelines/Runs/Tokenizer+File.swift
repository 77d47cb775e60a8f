import Checkpoints
import Foundation
import Tokenizers

extension Tokenizer {
    /// The tokenizer in a model's folder.
    /// - Parameter vocabularySize: of the model
    /// - Throws: an error also where the tokenizer has more tokens than the model.
    init(ofModelAt folder: URL, vocabularySize: Int) throws {
        let file = folder.appending(path: "tokenizer.json")
        try self.init(contentsOf: file)
        guard self.vocabularySize <= vocabularySize else {
            let reason = "\(self.vocabularySize) tokens, but the model has \(vocabularySize)"
            throw CheckpointError.malformedFile(file: file.path, reason: reason)
        }
    }
}
