extension Tokenizer {
    /// The ids of a text in which added tokens are recognised, as the reference library does.
    package func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int] {
        encode(text, addSpecialTokens: addSpecialTokens, allowSpecial: true)
    }

    /// The ids of a text. With `allowSpecial` false no part of the text becomes an added token: what a user writes is
    /// only ever ordinary text.
    package func encode(_ text: String, addSpecialTokens: Bool, allowSpecial: Bool) -> [Int] {
        encode([PromptSegment(text, isControl: allowSpecial)], addSpecialTokens: addSpecialTokens)
    }

    /// The ids of a text in segments. Added tokens are found only where they lie wholly inside control segments.
    package func encode(_ segments: [PromptSegment], addSpecialTokens: Bool) -> [Int] {
        let text = TrustedText(segments)
        var output = Output()
        if addSpecialTokens { output.ids += postProcessor.prefix }
        var position = 0
        for match in addedVocabulary.verbatim.matches(in: text.bytes, trusted: text.trusted) {
            encode(text.slice(position..<match.range.lowerBound), into: &output)
            output.ids.append(match.token.id)
            position = match.range.upperBound
        }
        encode(text.slice(position..<text.bytes.count), into: &output)
        if addSpecialTokens { output.ids += postProcessor.suffix }
        return output.ids.map(Int.init)
    }

    /// Text between added tokens: normalise, find the tokens that are matched in normalised text, then BPE.
    private func encode(_ piece: TrustedText, into output: inout Output) {
        guard !piece.bytes.isEmpty else { return }
        let text = piece.normalized(normalizer)
        var position = 0
        for match in addedVocabulary.normalized.matches(in: text.bytes, trusted: text.trusted) {
            encodeWords(of: text, position..<match.range.lowerBound, into: &output)
            output.ids.append(match.token.id)
            position = match.range.upperBound
        }
        encodeWords(of: text, position..<text.bytes.count, into: &output)
    }

    private func encodeWords(of text: TrustedText, _ range: Range<Int>, into output: inout Output) {
        let isTrusted = text.isTrusted
        preTokenizer.forEachWord(in: text.bytes, range) { word in
            let start = output.ids.count
            model.encode(text.bytes[word], vocabulary: vocabulary, scratch: &output.scratch, into: &output.ids)
            if !isTrusted, output.ids[start...].contains(where: addedVocabulary.contains), !text.isTrusted(word) {
                spellOut(text.bytes[word], from: start, in: &output)
            }
        }
    }

    /// Some vocabularies have an added token among those that merges lead to. In a user's word it is replaced by the
    /// tokens of its bytes.
    private func spellOut(_ word: ArraySlice<UInt8>, from start: Int, in output: inout Output) {
        output.ids.removeSubrange(start...)
        for byte in word {
            let id = model.byteIDs[Int(byte)]
            if id >= 0, !addedVocabulary.contains(id) { output.ids.append(id) }
        }
    }

    private struct Output {
        var ids: [Int32] = []
        var scratch = MergeScratch()
    }
}
