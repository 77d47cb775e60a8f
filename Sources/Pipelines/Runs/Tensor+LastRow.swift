import Tensors

extension Tensor {
    /// The last row of [1, rows, width], from which the next token is predicted: [1, 1, width]
    var lastRow: Tensor {
        reshaped([shape[1], shape[2]])[(shape[1] - 1)..<shape[1]].reshaped([1, 1, shape[2]])
    }
}
