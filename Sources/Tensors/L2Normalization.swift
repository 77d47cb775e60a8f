extension Tensor {
    /// x / ‖x‖ over the last dimension, as `torch.nn.functional.normalize`: vectors of zeros stay zeros.
    package func l2Normalized() -> Tensor {
        let width = shape[shape.count - 1]
        let weight = Tensor(Array(repeating: 1 / Float(width).squareRoot(), count: width), shape: [width])
        // √(‖x‖² + 1e-24) in place of PyTorch's max(‖x‖, 1e-12): they differ below norms of 1e-9 only.
        return rmsNormalized(weight: weight, epsilon: 1e-24 / Float(width))
    }
}
