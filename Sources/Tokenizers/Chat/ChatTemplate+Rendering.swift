extension ChatTemplate {
    /// Writes a conversation. The format's own tokens are control segments, what the messages say is not: encoded as
    /// segments, a message that contains `<|eot_id|>` ends nothing. (The joined text, encoded as a whole, gives the
    /// ids of transformers' `apply_chat_template`, where it does.)
    ///
    /// - Parameters:
    ///   - bosToken: what the templates of Llama 3 begin with; the others write none.
    ///   - addGenerationPrompt: whether the opening of the assistant's next message follows.
    /// - Returns: segments to encode with `addSpecialTokens: false`.
    ///
    /// Errors: `TokenizerError.inexpressibleMessage` for a picture or video that the template has no token for.
    package func render(
        _ messages: [ChatMessage],
        bosToken: String?,
        addGenerationPrompt: Bool
    ) throws -> [PromptSegment] {
        var segments: [PromptSegment] = []
        for (index, message) in messages.enumerated() {
            try checkParts(of: message, at: index)
            if index == 0 { segments += opening(before: message, bosToken) }
            switch self {
            case .llama31 where index == 0 && message.role == .system:
                // It is part of the opening.
                break
            case .llama3, .llama31:
                segments += [.control(Self.llama3Header(message.role)), .user(Self.stripped(message.text))]
                segments.append(.control("<|eot_id|>"))
            case .llavaNextLlama3:
                let pictures = String(repeating: "<image>\n", count: message.count(of: .image))
                segments += [.control(Self.llama3Header(message.role) + pictures), .user(message.text)]
                segments.append(.control("<|eot_id|>"))
            case .llavaOneVisionQwen2:
                let pictures = String(repeating: "<image>", count: message.count(of: .image))
                let videos = String(repeating: "<video>", count: message.count(of: .video))
                segments.append(.control("<|im_start|>\(message.role.rawValue) " + pictures + videos))
                segments += message.texts.flatMap { [.control("\n"), .user($0)] }
                segments.append(.control("<|im_end|>"))
            case .qwen25VL, .qwen2, .qwen25:
                segments.append(.control("<|im_start|>\(message.role.rawValue)\n"))
                segments += message.parts.map { part in
                    switch part {
                    case .text(let text): .user(text)
                    case .image: .control("<|vision_start|><|image_pad|><|vision_end|>")
                    case .video: .control("<|vision_start|><|video_pad|><|vision_end|>")
                    }
                }
                segments.append(.control("<|im_end|>\n"))
            }
        }
        if addGenerationPrompt { segments.append(.control(generationPrompt)) }
        return segments
    }

    /// What stands before the first message.
    private func opening(before first: ChatMessage, _ bosToken: String?) -> [PromptSegment] {
        switch self {
        case .llama3: [.control(bosToken ?? "")]
        case .llama31: Self.llama31Opening(first, bosToken ?? "")
        case .qwen25VL, .qwen2: first.role == .system ? [] : [Self.system("You are a helpful assistant.")]
        case .qwen25:
            first.role == .system
                ? [] : [Self.system("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")]
        case .llavaNextLlama3, .llavaOneVisionQwen2: []
        }
    }

    private static func system(_ text: String) -> PromptSegment { .control("<|im_start|>system\n\(text)<|im_end|>\n") }

    /// A system message with the template's own dates, and what that of the conversation says behind them.
    private static func llama31Opening(_ first: ChatMessage, _ bosToken: String) -> [PromptSegment] {
        let dates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
        let text = first.role == .system ? stripped(first.text) : ""
        return [.control(bosToken + llama3Header(.system) + dates), .user(text), .control("<|eot_id|>")]
    }

    private var generationPrompt: String {
        switch self {
        case .llama3, .llama31, .llavaNextLlama3: Self.llama3Header(.assistant)
        case .llavaOneVisionQwen2, .qwen25VL, .qwen2, .qwen25: "<|im_start|>assistant\n"
        }
    }

    private func checkParts(of message: ChatMessage, at index: Int) throws {
        let takesVideos = self == .llavaOneVisionQwen2 || self == .qwen25VL
        let takesImages = self == .llavaNextLlama3 || takesVideos
        if !takesImages, message.count(of: .image) > 0 {
            throw TokenizerError.inexpressibleMessage(index: index, reason: "the chat template takes no images")
        }
        if !takesVideos, message.count(of: .video) > 0 {
            throw TokenizerError.inexpressibleMessage(index: index, reason: "the chat template takes no videos")
        }
    }

    private static func llama3Header(_ role: ChatMessage.Role) -> String {
        "<|start_header_id|>\(role.rawValue)<|end_header_id|>\n\n"
    }

    /// Jinja's `trim`, which is Python's `strip`: whitespace and the four separators U+001C…U+001F.
    private static func stripped(_ text: String) -> String {
        func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
        }
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !isSpace($0) }),
            let last = scalars.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(scalars[first...last])
    }
}

extension ChatMessage {
    fileprivate var texts: [String] {
        parts.compactMap { part in
            if case .text(let text) = part { text } else { nil }
        }
    }

    fileprivate var text: String { texts.joined() }

    fileprivate func count(of part: Part) -> Int {
        parts.count { $0 == part }
    }
}
