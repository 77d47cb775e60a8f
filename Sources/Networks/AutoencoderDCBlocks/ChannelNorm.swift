import Checkpoints
import Tensors

/// A norm of diffusers' `get_normalization` over the channels of every position.
enum ChannelNorm: Sendable {
    /// `weight` and `bias` [channels]
    case rms(weight: Tensor, bias: Tensor)
    /// A batch norm, which keeps the moments of its training: as one scale and one shift a channel.
    case batch(scales: Tensor, shift: Tensor)

    /// diffusers' default, for both kinds.
    private static let epsilon: Float = 1e-5

    init(_ reader: ParameterReader, _ norm: AutoencoderDCConfig.Stage.Norm, _ channels: Int) {
        let weight = reader.tensor("weight", [channels]).tensor()
        let bias = reader.tensor("bias", [channels]).tensor()
        switch norm {
        case .rms: self = .rms(weight: weight, bias: bias)
        case .batch:
            let mean = reader.tensor("running_mean", [channels]).tensor().array
            let variance = reader.tensor("running_var", [channels]).tensor().array
            reader.discard("num_batches_tracked")
            let scales = zip(weight.array, variance).map { $0 / ($1 + Self.epsilon).squareRoot() }
            let shift = zip(bias.array, zip(mean, scales)).map { $0 - $1.0 * $1.1 }
            self = .batch(
                scales: Tensor(scales, shape: [scales.count]),
                shift: Tensor(shift, shape: [shift.count])
            )
        }
    }

    /// norm(x) + residual on [batch, height, width, channels], in place where nobody shares the memory of `x`.
    func normalize(_ x: inout Tensor, adding residual: Tensor? = nil) {
        switch self {
        case .rms(let weight, let bias):
            x.normalizeRMS(weight: weight, bias: bias, epsilon: Self.epsilon, adding: residual)
        case .batch(let scales, let shift):
            x.scaleChannels(by: scales, shift: shift, adding: residual)
        }
    }
}
