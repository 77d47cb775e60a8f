import Tensors

/// What may stand behind a residual block: attention among the positions of a picture and, in some, to a condition.
protocol AttentionLayer: Sendable {
    /// [batch, height, width, channels] → the same shape
    /// - Parameter condition: there in networks that have one, for every item of the batch
    func callAsFunction(_ x: Tensor, condition: ConditionKeyValues?) -> Tensor
}
