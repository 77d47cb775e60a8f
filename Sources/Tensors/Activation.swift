import CTriptychKernels

/// Pointwise nonlinearities.
package enum Activation: String, Sendable, CaseIterable {
    /// x
    case none
    /// x / (1 + e⁻ˣ)
    case silu
    /// x Φ(x) with the normal distribution function Φ
    case gelu
    /// gelu's approximation by tanh (`gelu_pytorch_tanh`)
    case geluTanh
    /// x / (1 + e^(−1.702 x)), OpenAI's approximation of gelu
    case quickGELU
    /// max(x, 0)
    case relu

    var kernelCode: Int32 {
        switch self {
        case .none: Int32(TK_IDENTITY)
        case .silu: Int32(TK_SILU)
        case .gelu: Int32(TK_GELU)
        case .geluTanh: Int32(TK_GELU_TANH)
        case .quickGELU: Int32(TK_QUICK_GELU)
        case .relu: Int32(TK_RELU)
        }
    }
}

extension Tensor {
    /// The activation of every element.
    package func activated(_ activation: Activation) -> Tensor {
        elementwise { source, target, count in
            Kernels.active.activate(activation.kernelCode, source, target, count)
        }
    }

    /// activation(gate) × self, as gated feed-forward layers have it (Shazeer, 2020).
    package func gated(by gate: Tensor, _ activation: Activation) -> Tensor {
        precondition(gate.count == count, "gate \(gate.shape) for \(shape)")
        return elementwise(with: gate) { source, gate, target, count in
            Kernels.active.gate(activation.kernelCode, gate, source, target, count)
        }
    }
}
