import Tensors

/// Classifier-free guidance as a weighted sum of branches (arXiv 2207.12598, with pictures arXiv 2211.09800).
///
/// ε = ε_null + g_i (ε_image − ε_null) + g (ε_full − ε_image) is (1 − g_i) ε_null + (g_i − g) ε_image + g ε_full. Branches
/// of weight 0 need not be computed, and branches with the same condition are one.
struct Guidance<Condition: Equatable> {
    private(set) var branches: [(condition: Condition, weight: Double)] = []

    private init() {}

    /// Text alone: ε_null + g (ε_full − ε_null).
    init(full: Condition, null: Condition, scale: Double) {
        add(null, 1 - scale)
        add(full, scale)
    }

    /// Text and pictures.
    init(full: Condition, image: Condition, null: Condition, scale: Double, imageScale: Double) {
        add(null, 1 - imageScale)
        add(image, imageScale - scale)
        add(full, scale)
    }

    private mutating func add(_ condition: Condition, _ weight: Double) {
        if let index = branches.firstIndex(where: { $0.condition == condition }) {
            branches[index].weight += weight
            if branches[index].weight == 0 { branches.remove(at: index) }
        } else if weight != 0 {
            branches.append((condition, weight))
        }
    }

    /// The same weights for what stands for the conditions elsewhere.
    func map<Other: Equatable>(_ transform: (Condition) throws -> Other) rethrows -> Guidance<Other> {
        var other = Guidance<Other>()
        for branch in branches { other.add(try transform(branch.condition), branch.weight) }
        return other
    }

    /// The guided prediction from those of the branches, in their order.
    static func combine(_ predictions: [Tensor], weights: [Double]) -> Tensor {
        if weights == [1] { return predictions[0] }
        var sum = predictions[0].scaled(by: Float(weights[0]))
        for (prediction, weight) in zip(predictions, weights).dropFirst() {
            sum.addScaled(prediction, by: Float(weight))
        }
        return sum
    }
}

extension Guidance: Sendable where Condition: Sendable {}
