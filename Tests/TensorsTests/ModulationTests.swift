import Testing

@testable import Tensors

/// Norms with a scale and shift for every item, and those that work in place.
@Suite struct ModulationTests {
    @Test(arguments: [1, 7, 33, 1152]) func layerNormalized_takesScalesByItem(width: Int) {
        var numbers = TestNumbers(seed: 51)
        let x = numbers.tensor([3, 2, 5, width])
        let (scales, shifts) = (numbers.tensor([3, width]), numbers.tensor([3, width]))
        let result = x.layerNormalized(scales: scales, shifts: shifts, epsilon: 1e-6)
        for item in 0..<3 {
            let range = item..<item + 1
            let alone = x[range].layerNormalized(weight: scales[range], bias: shifts[range], epsilon: 1e-6)
            #expect(bits(alone) == bits(result[range]))
        }
    }

    @Test func addScaled_takesFactorsByItem() {
        var sum = Tensor([1, 2, 3, 4, 5, 6, 7, 8], shape: [2, 2, 2])
        let kept = sum
        sum.addScaled(
            Tensor([1, 1, 1, 1, 1, 1, 2, 2], shape: [2, 2, 2]),
            byRows: Tensor([10, 20, 30, 40], shape: [2, 2])
        )
        #expect(sum.array == [11, 22, 13, 24, 35, 46, 67, 88])
        #expect(kept.array == [1, 2, 3, 4, 5, 6, 7, 8], "a shared tensor stays as it is")
    }

    @Test(arguments: [1, 33, 128]) func normalizeRMS_equalsItsSteps(width: Int) {
        var numbers = TestNumbers(seed: 52)
        let (x, residual) = (numbers.tensor([2, 150, width]), numbers.tensor([2, 150, width]))
        let (weight, bias) = (numbers.tensor([width]), numbers.tensor([width]))
        let biases = Tensor.concatenated([bias, bias], axis: 0).reshaped([2, width])
        let expected = x.rmsNormalized(weight: weight, epsilon: 1e-5).addedToRows(biases).activated(.relu) + residual
        let values = x.array
        var result = x
        result.normalizeRMS(weight: weight, bias: bias, epsilon: 1e-5, activation: .relu, adding: residual)
        #expect(bits(result) == bits(expected))
        #expect(x.array == values, "a shared tensor stays as it is")
        var own = Tensor(values, shape: x.shape)
        let place = own.pointer
        own.normalizeRMS(weight: weight, bias: bias, epsilon: 1e-5, activation: .relu, adding: residual)
        #expect(bits(own) == bits(expected))
        #expect(own.pointer == place, "a tensor of its own is changed in place")
    }

    @Test func scaleChannels_scalesShiftsAndAdds() {
        var x = Tensor([1, 2, 3, 4], shape: [1, 2, 2])
        x.scaleChannels(by: Tensor([2, 3], shape: [2]), shift: Tensor([10, 20], shape: [2]))
        #expect(x.array == [12, 26, 16, 32])
        x.scaleChannels(
            by: Tensor([1, 1], shape: [2]),
            shift: Tensor([0, 1], shape: [2]),
            adding: Tensor([1, 2, 3, 4], shape: [1, 2, 2])
        )
        #expect(x.array == [13, 29, 19, 37])
    }
}
