import Checkpoints
import Tensors

/// What the convolutional blocks of one network have in common.
struct BlockConfig: Sendable {
    var groups: Int
    var epsilon: Double
    /// Width of the time embedding; nil in networks without time.
    var timeWidth: Int?
}

/// diffusers' `ResnetBlock2D`: two normalised 3×3 convolutions around a residual, shifted by time.
struct ResnetBlock: Sendable {
    private let norm1: GroupNorm
    private let conv1: Convolution
    private let timeProjection: Linear?
    private let norm2: GroupNorm
    private let conv2: Convolution
    private let shortcut: Convolution?

    init(_ config: BlockConfig, _ reader: ParameterReader, _ inputs: Int, _ outputs: Int) {
        norm1 = GroupNorm(reader["norm1"], groups: config.groups, channels: inputs, epsilon: config.epsilon)
        conv1 = Convolution(reader["conv1"], inputs, outputs, kernel: 3)
        timeProjection = config.timeWidth.map { Linear(reader["time_emb_proj"], $0, outputs) }
        norm2 = GroupNorm(reader["norm2"], groups: config.groups, channels: outputs, epsilon: config.epsilon)
        conv2 = Convolution(reader["conv2"], outputs, outputs, kernel: 3)
        shortcut = inputs == outputs ? nil : Convolution(reader["conv_shortcut"], inputs, outputs, kernel: 1)
    }

    /// [batch, height, width, inputs] → [batch, height, width, outputs]
    /// - Parameter time: SiLU of the time embedding, [batch, timeWidth]
    func callAsFunction(_ x: consuming Tensor, time: Tensor? = nil) -> Tensor {
        var hidden = conv1(x, normalization: norm1.moments(of: x, activation: .silu))
        if let timeProjection, let time {
            let shift = timeProjection(time.reshaped([time.shape[0], 1, time.shape[1]]))  // [batch, 1, outputs]
            hidden = hidden.addedToRows(shift.reshaped([time.shape[0], shift.shape[2]]))
        }
        let normalization = norm2.moments(of: hidden, activation: .silu)
        guard let shortcut else { return conv2(hidden, normalization: normalization, adding: x) }
        return conv2(hidden, normalization: normalization, adding: shortcut.project(x))
    }
}
