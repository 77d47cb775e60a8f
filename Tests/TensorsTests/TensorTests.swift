import Testing

@testable import Tensors

@Suite struct TensorTests {
    @Test func copies_areIndependent() {
        let original = Tensor([1, 2, 3, 4], shape: [2, 2])
        var copy = original
        copy.replaceRows(at: 1, with: Tensor([9, 9], shape: [1, 2]))
        #expect(original.array == [1, 2, 3, 4])
        #expect(copy.array == [1, 2, 9, 9])
    }

    @Test func replaceRows_staysInPlaceWhereOwnedAlone() {
        var cache = Tensor.zeros([100, 4])
        let before = cache.withUnsafeBufferPointer { $0.baseAddress }
        cache.replaceRows(at: 50, with: Tensor([1, 2, 3, 4], shape: [1, 4]))
        #expect(cache.withUnsafeBufferPointer { $0.baseAddress } == before)
        #expect(cache[50..<51].array == [1, 2, 3, 4])
    }

    @Test func slices_shareAndSurviveTheirOrigin() {
        var whole: Tensor? = Tensor([1, 2, 3, 4, 5, 6], shape: [3, 2])
        let slice = whole?[1..<3]
        whole = nil
        #expect(slice?.array == [3, 4, 5, 6])
        #expect(slice?.shape == [2, 2])
    }

    @Test func mutatingASlice_leavesTheOthers() {
        let whole = Tensor([1, 2, 3, 4], shape: [2, 2])
        var slice = whole[1..<2]
        slice.withUnsafeMutableBufferPointer { $0[0] = 7 }
        #expect(slice.array == [7, 4])
        #expect(whole.array == [1, 2, 3, 4])
    }

    @Test func permuted_movesDimensions() {
        let x = Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
        let y = x.permuted([2, 0, 1])
        #expect(y.shape == [4, 2, 3])
        #expect(y.array[..<6] == [0, 4, 8, 12, 16, 20])
        #expect(x.permuted([1, 0, 2]).array[..<8] == [0, 1, 2, 3, 12, 13, 14, 15])
        #expect(x.permuted([0, 1, 2]).array == x.array)
        #expect(y.permuted([1, 2, 0]).array == x.array)
    }

    @Test func concatenated_joinsAnyAxis() {
        let (a, b) = (Tensor([1, 2, 3, 4], shape: [2, 2]), Tensor([5, 6], shape: [2, 1]))
        #expect(Tensor.concatenated([a, b], axis: 1).array == [1, 2, 5, 3, 4, 6])
        #expect(Tensor.concatenated([a, a], axis: 0).shape == [4, 2])
    }

    @Test func arithmetic_worksElementByElement() {
        var numbers = TestNumbers(seed: 11)
        let (a, b) = (numbers.tensor([3, 33_000]), numbers.tensor([3, 33_000]))
        #expect((a + b).array == zip(a.array, b.array).map { $0 + $1 })
        #expect(a.scaled(by: 0.5).array == a.array.map { $0 * 0.5 })
        var sum = a
        sum += b
        #expect(sum.array == (a + b).array)
        sum.addScaled(b, by: -1)
        #expect(error(sum.array, a.array) < 1e-6)
        #expect(bits(b.gated(by: a, .relu)) == zip(a.array, b.array).map { (max($0, 0) * $1).bitPattern })
    }

    @Test func addedToRows_addsEachItemsRow() {
        let x = Tensor([1, 2, 3, 4, 5, 6, 7, 8], shape: [2, 2, 2])
        let rows = Tensor([10, 20, 30, 40], shape: [2, 2])
        #expect(x.addedToRows(rows).array == [11, 22, 13, 24, 35, 46, 37, 48])
    }

    @Test func rotated_turnsPairsHalfAHeadApart() {
        let x = Tensor([1, 2, 3, 4, 5, 6, 7, 8], shape: [1, 1, 8])
        let (cosines, sines) = (Tensor([0, 1], shape: [1, 1, 2]), Tensor([1, 0], shape: [1, 1, 2]))
        #expect(x.rotated(cosines: cosines, sines: sines, heads: 2).array == [-3, 2, 1, 4, -7, 6, 5, 8])
    }

    @Test func embedding_widensRows() {
        let (table, rounded) = stored([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [3, 2], as: .bfloat16)
        #expect(Tensor.embedding(table, ids: [2, 0]).array == [rounded[4], rounded[5], rounded[0], rounded[1]])
        #expect(table.rows(1..<3).tensor().array == Array(rounded[2...]))
    }
}
