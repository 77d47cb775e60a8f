import Checkpoints
import Tensors

/// diffusers' `SanaMultiscaleLinearAttention` (arXiv 2205.14756): linear attention among positions and, in heads of
/// their own, among neighbourhoods of several sizes.
///
/// diffusers takes squares of scores in place of linear attention where positions are few; that is the same sum.
struct MultiscaleLinearAttention: DCLayer {
    private let heads: Int
    private let projections: [Linear]
    private let neighbourhoods: [Neighbourhood]
    private let output: Linear
    private let norm: ChannelNorm

    init(_ stage: AutoencoderDCConfig.Stage, _ reader: ParameterReader, headWidth: Int) {
        heads = stage.channels / headWidth
        let width = heads * headWidth
        projections = ["to_q", "to_k", "to_v"].map { Linear(reader[$0], stage.channels, width, bias: false) }
        let channels = 3 * width
        let groups = 3 * heads
        neighbourhoods = stage.attentionKernels.enumerated().map { index, kernel in
            Neighbourhood(reader["to_qkv_multiscale"][index], channels, groups: groups, kernel: kernel)
        }
        output = Linear(
            reader["to_out"],
            width * (1 + neighbourhoods.count),
            stage.channels,
            bias: false
        )
        norm = ChannelNorm(reader["norm_out"], stage.norm, stage.channels)
    }

    func callAsFunction(_ x: consuming Tensor) -> Tensor {
        let (batch, positions) = (x.shape[0], x.shape[1] * x.shape[2])
        let own = Tensor.concatenated(projections.map { $0(x) }, axis: 3)  // [batch, height, width, 3 × width]
        // Heads cut q ‖ k ‖ v into threes as the weights were trained for, not into one of each.
        let attended = ([own] + neighbourhoods.map { $0(own) }).map { source in
            source.reshaped([batch, positions, source.shape[3]]).linearlyAttended(heads: heads)
        }
        var hidden = output(.concatenated(attended, axis: 2)).reshaped(x.shape)
        norm.normalize(&hidden, adding: x)
        return hidden
    }
}

/// diffusers' `SanaMultiscaleAttentionProjection`: every channel over its neighbours, then the channels of a group.
private struct Neighbourhood: Sendable {
    private let input: Convolution
    private let output: Convolution

    init(_ reader: ParameterReader, _ channels: Int, groups: Int, kernel: Int) {
        input = Convolution(reader["proj_in"], channels, channels, kernel: kernel, groups: channels, bias: false)
        output = Convolution(reader["proj_out"], channels, channels, kernel: 1, groups: groups, bias: false)
    }

    /// [batch, height, width, channels] → the same shape
    func callAsFunction(_ x: Tensor) -> Tensor { output(input(x)) }
}
