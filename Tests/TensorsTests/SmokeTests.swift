import Testing

@testable import Tensors

@Test func linear_multipliesByTheTransposedWeight() {
    let x = Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3])
    let w = LinearWeight(Tensor([1, 0, 1, 0, 1, 0], shape: [2, 3]), bias: Tensor([10, 20], shape: [2]))
    #expect(x.linear(w).array == [14, 22, 20, 25])
}
