import Testing

@testable import Tensors

@Suite struct PixelShuffleTests {
    /// `torch.nn.functional.pixel_shuffle(torch.arange(8.).reshape(1, 8, 1, 1), 2)`, channels last.
    @Test func shuffle_makesSquaresOfChannels() {
        let x = Tensor((0..<8).map(Float.init), shape: [1, 1, 1, 8])
        let shuffled = x.pixelShuffled2x(channels: 2)
        #expect(shuffled.shape == [1, 2, 2, 2])
        #expect(shuffled.array == [0, 4, 1, 5, 2, 6, 3, 7])
        #expect(shuffled.pixelUnshuffled2x(channels: 8).array == x.array)
    }

    @Test func shuffle_repeatsChannelsWhereThereAreFewer() {
        // repeat_interleave(2): 0 0 1 1 2 2 3 3
        let x = Tensor([0, 1, 2, 3], shape: [1, 1, 1, 4])
        #expect(x.pixelShuffled2x(channels: 2).array == [0, 2, 0, 2, 1, 3, 1, 3])
    }

    @Test func unshuffle_averagesNeighboursWhereFewerAreAsked() {
        let x = Tensor([0, 4, 1, 5, 2, 6, 3, 7], shape: [1, 2, 2, 2])
        #expect(x.pixelUnshuffled2x(channels: 4).array == [0.5, 2.5, 4.5, 6.5])
    }

    @Test func shuffle_keepsPicturesApart() {
        var numbers = TestNumbers(seed: 41)
        let x = numbers.tensor([3, 4, 5, 12])
        let shuffled = x.pixelShuffled2x(channels: 3)
        #expect(shuffled.shape == [3, 8, 10, 3])
        #expect(bits(shuffled.pixelUnshuffled2x(channels: 12)) == bits(x))
        for item in 0..<3 {
            #expect(bits(x[item..<item + 1].pixelShuffled2x(channels: 3)) == bits(shuffled[item..<item + 1]))
        }
        let start = numbers.tensor(shuffled.shape)
        var sum = start
        sum.addPixelShuffled2x(x)
        #expect(bits(sum) == bits(start + shuffled))
    }
}
