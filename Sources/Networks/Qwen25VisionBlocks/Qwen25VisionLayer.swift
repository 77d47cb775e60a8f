import Checkpoints
import Tensors

/// One layer: attention within segments and a gated feed-forward, each behind a norm and around a residual.
struct Qwen25VisionLayer: Sendable {
    private let norm1: RMSNorm
    private let attention: Qwen25VisionAttention
    private let norm2: RMSNorm
    private let feedForward: Qwen25VisionFeedForward

    init(_ config: Qwen25VisionConfig, _ reader: ParameterReader) {
        norm1 = RMSNorm(reader["norm1"], config.width, epsilon: Qwen25VisionConfig.normEpsilon)
        attention = Qwen25VisionAttention(config, reader["attn"])
        norm2 = RMSNorm(reader["norm2"], config.width, epsilon: Qwen25VisionConfig.normEpsilon)
        feedForward = Qwen25VisionFeedForward(config, reader["mlp"])
    }

    /// [1, patches, width] → the same shape
    func callAsFunction(
        _ x: Tensor,
        _ rotation: (cosines: Tensor, sines: Tensor),
        _ segments: [SegmentRun]
    ) -> Tensor {
        let attended = attention(norm1(x), rotation, segments, adding: x)
        return feedForward(norm2(attended), adding: attended)
    }
}

/// Attention in which every patch sees its own segment: a window, or a whole frame.
private struct Qwen25VisionAttention: Sendable {
    private let heads: Int
    private let scale: Float
    private let queries: Linear
    private let keys: Linear
    private let values: Linear
    private let output: Linear

    init(_ config: Qwen25VisionConfig, _ reader: ParameterReader) {
        heads = config.heads
        scale = 1 / Float(config.headWidth).squareRoot()
        let projections = Linear.stacked(
            reader["qkv"].tensor("weight", [3 * config.width, config.width]),
            bias: reader["qkv"].tensor("bias", [3 * config.width]),
            count: 3
        )
        (queries, keys, values) = (projections[0], projections[1], projections[2])
        output = Linear(reader["proj"], config.width, config.width)
    }

    /// [1, patches, width] → the same shape, added to `residual`
    func callAsFunction(
        _ x: Tensor,
        _ rotation: (cosines: Tensor, sines: Tensor),
        _ segments: [SegmentRun],
        adding residual: Tensor
    ) -> Tensor {
        let rows = [x.shape[1], x.shape[2]]
        let q = queries(x).rotated(cosines: rotation.cosines, sines: rotation.sines, heads: heads).reshaped(rows)
        let k = keys(x).rotated(cosines: rotation.cosines, sines: rotation.sines, heads: heads).reshaped(rows)
        let v = values(x).reshaped(rows)
        let parts = segments.map { attended(q, k, v, within: $0) }
        let joined = parts.count == 1 ? parts[0] : .concatenated(parts, axis: 0)
        return output(joined.reshaped(x.shape), adding: residual)
    }

    /// [patches, width] each → [count × length, width], the rows of the run
    private func attended(_ q: Tensor, _ k: Tensor, _ v: Tensor, within run: SegmentRun) -> Tensor {
        let all = run.start..<(run.start + run.count * run.length)
        let segments = stride(from: run.start, to: all.upperBound, by: run.length).map { $0..<($0 + run.length) }
        return q[all].reshaped([run.count, run.length, q.shape[1]])
            .attended(
                keys: segments.map { k[$0] },
                values: segments.map { v[$0] },
                heads: heads,
                keyValueHeads: heads,
                scale: scale,
                causal: false
            )
            .reshaped([all.count, q.shape[1]])
    }
}

/// SwiGLU (arXiv 2002.05202) with biases: down(silu(gate(x)) × up(x)).
private struct Qwen25VisionFeedForward: Sendable {
    /// Patches whose gates are in memory at a time. The largest picture of the published preprocessor has 65,536, whose
    /// gates would take 1.8 GB at 3420 each; with this many, the weights that are read again cost nothing that shows.
    private static let patchesAtATime = 8192

    private let gate: Linear
    private let up: Linear
    private let down: Linear

    init(_ config: Qwen25VisionConfig, _ reader: ParameterReader) {
        gate = Linear(reader["gate_proj"], config.width, config.feedForwardWidth)
        up = Linear(reader["up_proj"], config.width, config.feedForwardWidth)
        down = Linear(reader["down_proj"], config.feedForwardWidth, config.width)
    }

    /// [1, patches, width] → the same shape, added to `residual`
    func callAsFunction(_ x: Tensor, adding residual: Tensor) -> Tensor {
        let (patches, width) = (x.shape[1], x.shape[2])
        guard patches > Self.patchesAtATime else { return forward(x, adding: residual) }
        let parts = stride(from: 0, to: patches, by: Self.patchesAtATime).map { start in
            func part(_ whole: Tensor) -> Tensor {
                let rows = start..<min(start + Self.patchesAtATime, patches)
                return whole.reshaped([patches, width])[rows].reshaped([1, rows.count, width])
            }
            return forward(part(x), adding: part(residual))
        }
        return .concatenated(parts, axis: 1)
    }

    private func forward(_ x: Tensor, adding residual: Tensor) -> Tensor {
        down(up(x).gated(by: gate(x), .silu), adding: residual)
    }
}
