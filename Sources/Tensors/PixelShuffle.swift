extension Tensor {
    /// Channels become the pixels of 2 × 2 squares, as `torch.nn.functional.pixel_shuffle` has them:
    /// [b, h, w, 4 × channels] → [b, 2h, 2w, channels]. Where there are fewer channels, each of them stands in for an
    /// equal number of neighbours (`repeat_interleave` before the shuffle).
    package func pixelShuffled2x(channels: Int) -> Tensor {
        let result = Tensor.uninitialized([shape[0], 2 * shape[1], 2 * shape[2], channels])
        shuffle(channels: channels) { pixel, sources, offset in
            let target = result.pointer + offset
            for channel in 0..<channels { target[channel] = pixel[sources[channel]] }
        }
        return result
    }

    /// Adds `source.pixelShuffled2x`, in place where nobody shares this tensor's memory.
    package mutating func addPixelShuffled2x(_ source: Tensor) {
        precondition(
            shape == [source.shape[0], 2 * source.shape[1], 2 * source.shape[2], shape[3]],
            "\(source.shape) for \(shape)"
        )
        makeUnique()
        let (base, channels) = (pointer, shape[3])
        source.shuffle(channels: channels) { pixel, sources, offset in
            let target = base + offset
            for channel in 0..<channels { target[channel] += pixel[sources[channel]] }
        }
        withExtendedLifetime(storage) {}
    }

    /// The pixels of 2 × 2 squares become channels, as `torch.nn.functional.pixel_unshuffle` has them:
    /// [b, h, w, c] → [b, h / 2, w / 2, 4 × c]. Where fewer channels are asked for, each is the mean of an equal number
    /// of neighbours.
    package func pixelUnshuffled2x(channels: Int) -> Tensor {
        precondition(
            shape.count == 4 && shape[1] % 2 == 0 && shape[2] % 2 == 0 && 4 * shape[3] % channels == 0,
            "\(channels) channels from \(shape)"
        )
        let (height, width, inputs) = (shape[1] / 2, shape[2] / 2, shape[3])
        let group = 4 * inputs / channels
        // Where channel u of the whole unshuffle comes from, seen from the square's first pixel.
        let offsets = (0..<4 * inputs).map { ($0 % 4 / 2 * shape[2] + $0 % 2) * inputs + $0 / 4 }
        let result = Tensor.uninitialized([shape[0], height, width, channels])
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        let divisor = Float(group)
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: shape[0] * height) { line in
                for x in 0..<width {
                    let square = source + (4 * line * width + 2 * x) * inputs
                    let pixel = target + (line * width + x) * channels
                    for channel in 0..<channels {
                        var sum: Float = 0
                        for index in channel * group..<(channel + 1) * group { sum += square[offsets[index]] }
                        pixel[channel] = sum / divisor
                    }
                }
            }
        }
        return result
    }

    /// For every pixel of the shuffled picture: the pixel it is made of, which channel of that each of its channels is, and
    /// where it begins.
    private func shuffle(
        channels: Int,
        _ body: (_ pixel: UnsafePointer<Float>, _ sources: [Int], _ offset: Int) -> Void
    ) {
        precondition(shape.count == 4 && 4 * channels % shape[3] == 0, "\(channels) channels from \(shape)")
        let (width, inputs) = (shape[2], shape[3])
        let repeats = 4 * channels / inputs
        let corners = (0..<4).map { corner in (0..<channels).map { (4 * $0 + corner) / repeats } }
        let source = UnsafePointer(pointer)
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: shape[0] * shape[1]) { line in
                for x in 0..<width {
                    for corner in 0..<4 {
                        let pixel = (2 * line + corner / 2) * 2 * width + 2 * x + corner % 2
                        body(source + (line * width + x) * inputs, corners[corner], pixel * channels)
                    }
                }
            }
        }
    }
}
