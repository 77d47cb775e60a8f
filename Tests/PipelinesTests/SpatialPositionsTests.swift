import Foundation
import GoldenData
import Networks
import Testing

@testable import Pipelines

@Suite struct SpatialPositionsTests {
    private func grid(_ frames: Int, _ rows: Int, _ columns: Int) -> PatchGrid {
        PatchGrid(frames: frames, rows: rows, columns: columns)
    }

    private func clock(_ framesPerSecond: Double, _ tokensPerSecond: Double) -> VideoClock {
        VideoClock(framesPerSecond: framesPerSecond, temporalPatchSize: 2, tokensPerSecond: tokensPerSecond)
    }

    @Test func text_countsAlongAllAxes() {
        var positions = SpatialPositions()
        positions.appendText(2)
        positions.appendText(0)
        positions.appendText(1)
        #expect(positions.times == [0, 1, 2] && positions.rows == [0, 1, 2] && positions.columns == [0, 1, 2])
        #expect(positions.next == 3 && positions.count == 3 && positions.offset == 0)
    }

    @Test func picture_spreadsAlongRowsAndColumns() {
        var positions = SpatialPositions()
        positions.appendText(2)
        positions.appendPicture(grid(1, 2, 3))
        positions.appendText(2)
        #expect(positions.times == [0, 1, 2, 2, 2, 2, 2, 2, 5, 6])
        #expect(positions.rows == [0, 1, 2, 2, 2, 3, 3, 3, 5, 6])
        #expect(positions.columns == [0, 1, 2, 3, 4, 2, 3, 4, 5, 6])
        #expect(positions.next == 7 && positions.offset == -3)
        #expect(positions.rotary.rows == 10 && positions.rotary.isSpatial)
    }

    @Test func pictures_mayFollowEachOther() {
        var positions = SpatialPositions()
        positions.appendPicture(grid(1, 3, 1))
        positions.appendPicture(grid(1, 1, 2))
        #expect(positions.times == [0, 0, 0, 3, 3])
        #expect(positions.rows == [0, 1, 2, 3, 3])
        #expect(positions.columns == [0, 0, 0, 3, 4])
        #expect(positions.next == 5)
    }

    /// The example in the documentation of `get_rope_index`: one frame a second, 25 positions a second.
    @Test func video_goesByTheClock() {
        var positions = SpatialPositions()
        positions.appendVideo(grid(3, 2, 2), clock(1, 25))
        positions.appendText(5)
        #expect(positions.times == [0, 0, 0, 0, 50, 50, 50, 50, 100, 100, 100, 100, 101, 102, 103, 104, 105])
        #expect(positions.rows.prefix(12) == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1])
        #expect(positions.columns.prefix(12) == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
        #expect(positions.next == 106 && positions.offset == 89)
    }

    /// What PyTorch makes of `(index * second_per_grid_t * tokens_per_second).long()`.
    @Test(
        arguments: [
            (1.0, 25.0, [0, 50, 100, 150, 200, 250, 300, 350]), (2.0, 2.0, [0, 2, 4, 6, 8, 10, 12, 14]),
            (3.0, 2.0, [0, 1, 2, 4, 5, 6, 8, 9]), (0.7, 2.0, [0, 5, 11, 17, 22, 28, 34, 40]),
            (29.97, 4.0, [0, 0, 0, 0, 1, 1, 1, 1]), (24.0, 2.0, [0, 0, 0, 0, 0, 0, 1, 1]),
            (1.0 / 3.0, 2.0, [0, 12, 24, 36, 48, 60, 72, 84]),
        ] as [(Double, Double, [Int])]
    )
    func clock_equalsTheReference(framesPerSecond: Double, tokensPerSecond: Double, expected: [Int]) {
        let clock = clock(framesPerSecond, tokensPerSecond)
        #expect((0..<8).map(clock.position) == expected)
    }

    /// Many patches within a second lie in one place of time; what follows stands behind the picture's far corner.
    @Test func textBehindAFastVideo_startsBehindItsFrames() {
        var positions = SpatialPositions()
        positions.appendText(1)
        positions.appendVideo(grid(2, 1, 4), clock(30, 2))
        positions.appendText(1)
        #expect(positions.times == [0, 1, 1, 1, 1, 1, 1, 1, 1, 5])
    }

    // MARK: Against the reference

    @Test(
        .enabled(if: GoldenData.isHere("metaquery_qwen25vl_sd"), "needs the full golden data: TRIPTYCH_GOLDENS"),
        arguments: [
            "units/modules/qwen25vl_mrope.safetensors", "metaquery_qwen25vl_sd/cases/t2i/expected.safetensors",
            "metaquery_qwen25vl_sd/cases/two_images/expected.safetensors",
            "metaquery_qwen25vl_sd/cases/chat_image0/expected.safetensors",
            "metaquery_qwen25vl_sd/cases/chat_image1/expected.safetensors",
        ]
    )
    func positions_equalTheReference(file: String) throws {
        let parts = file.split(separator: "/")
        let golden = try GoldenCase(parts.dropLast().joined(separator: "/"), tensors: String(parts[parts.count - 1]))
        let ids = try golden.integers("input_ids")
        let positions = try golden.integers("position_ids")
        let rows = golden.contains("attention_mask") ? try golden.integers("attention_mask") : ids.map { _ in 1 }
        let sizes = try ["image_grid_thw", "image_sizes"].filter(golden.contains).flatMap(golden.integers)
        var grids = stride(from: 0, to: sizes.count, by: 3).map { grid(sizes[$0], sizes[$0 + 1], sizes[$0 + 2]) }[...]
        let length = try #require(golden.rowLength)
        for item in 0..<(ids.count / length) {
            let range = (item * length)..<((item + 1) * length)
            let padding = rows[range].prefix { $0 == 0 }.count
            let padded = Array(ids[range].dropFirst(padding))
            var sequence = SpatialPositions()
            while sequence.count < padded.count {
                // 772 stands for a picture's tokens.
                let text = padded[sequence.count...].prefix { $0 != 772 }
                sequence.appendText(text.count)
                if sequence.count < padded.count { sequence.appendPicture(grids.removeFirst().merged(by: 2)) }
            }
            #expect(sequence.count == padded.count)
            for (axis, actual) in [sequence.times, sequence.rows, sequence.columns].enumerated() {
                let start = axis * ids.count + range.lowerBound + padding
                #expect(actual == Array(positions[start..<(start + padded.count)]))
            }
            if golden.contains("rope_deltas") {
                // Counted from the padded row's end.
                #expect(sequence.next - length == (try golden.integers("rope_deltas"))[item])
            }
        }
        #expect(grids.isEmpty)
    }
}

extension GoldenCase {
    /// Ids a row of `input_ids`.
    fileprivate var rowLength: Int? {
        switch folder.lastPathComponent {
        case "modules": 37
        case "t2i": 180
        case "two_images": 732
        case "chat_image0": 60
        case "chat_image1": 186
        default: nil
        }
    }
}
