import Tensors

/// Classifier-free guidance as a weighted sum of branches (arXiv 2207.12598, with pictures arXiv 2211.09800).
///
/// ε = ε_null + g_i (ε_image − ε_null) + g (ε_full − ε_image) is (1 − g_i) ε_null + (g_i − g) ε_image + g ε_full. Branches
/// of weight 0 need not be computed, and branches with the same condition are one.
struct Guidance<Condition: Equatable> {
    typealias Branch = (condition: Condition, weight: Double)

    /// At least one; the weights' sum is 1.
    private(set) var branches: [Branch] = []

    /// Text alone: ε_null + g (ε_full − ε_null).
    init(full: Condition, null: Condition, scale: Double) {
        self.init([(null, 1 - scale), (full, scale)])
    }

    /// Text and pictures.
    init(full: Condition, image: Condition, null: Condition, scale: Double, imageScale: Double) {
        self.init([(null, 1 - imageScale), (image, imageScale - scale), (full, scale)])
    }

    /// - Parameter terms: the full condition comes last
    private init(_ terms: [Branch]) {
        for term in terms {
            if let index = branches.firstIndex(where: { $0.condition == term.condition }) {
                branches[index].weight += term.weight
            } else {
                branches.append(term)
            }
        }
        branches.removeAll { $0.weight == 0 }
        // Scales beyond 2⁵³ swallow the 1 beside them: where they cancel out, nothing would be left, or not 1.
        if branches.count <= 1, let last = branches.last ?? terms.last { branches = [(last.condition, 1)] }
    }

    /// The same weights for what stands for the conditions elsewhere.
    func map<Other: Equatable>(_ transform: (Condition) throws -> Other) rethrows -> Guidance<Other> {
        Guidance<Other>(try branches.map { (try transform($0.condition), $0.weight) })
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
