import Checkpoints
import Foundation
import Tensors
import Testing

/// The container of `torch.save`, through files that are opened as such.
@Suite struct ZipArchiveTests {
    private static let pickle = PickleWriter.program(
        PickleWriter.dictionary([
            ("a", PickleWriter.tensor(PickleWriter.storage("0", count: 2), shape: [2], strides: [1]))
        ])
    )

    private let sound = ZipWriter(pickle: pickle, storages: [("0", [0, 0, 128, 63, 0, 0, 0, 64])])

    /// The sound archive after a change.
    private func refusal(_ change: (inout ZipWriter) -> Void) -> String {
        var archive = sound
        change(&archive)
        return CheckpointsTests.refusal(of: archive.file())
    }

    @Test(arguments: [0, 1, 2, 4, 7, 64], [false, true])
    func archive_isReadAtAnyAlignmentNarrowOrWide(alignment: Int, isWide: Bool) throws {
        var archive = sound
        archive.alignment = alignment
        archive.isWide = isWide
        let file = try openTorchFile(archive.file())
        #expect(file.tensors.map(\.name) == ["a"])
        #expect(file.tensors[0].tensor().array == [1, 2])
    }

    @Test func entries_mustLieInOneFolder() {
        #expect(
            refusal { $0.entries.append(.init(name: "../../etc/cron.d/job", data: [])) }.contains("../../etc/cron.d")
        )
        #expect(
            refusal { $0.entries.append(.init(name: "/etc/passwd", data: [])) }.contains("/etc/passwd lies outside")
        )
        #expect(refusal { $0.entries.append(.init(name: "other/data.pkl", data: [])) }.contains("other/data.pkl"))
        #expect(refusal { $0.entries = [.init(name: "data.pkl", data: Self.pickle)] }.contains("none of torch.save"))
        #expect(refusal { $0.entries = [] }.contains("none of torch.save"))
        #expect(refusal { $0.entries.removeFirst() }.contains("archive/data.pkl is missing"))
    }

    @Test func entries_appearOnce() {
        #expect(
            refusal { $0.entries.append(.init(name: "archive/data.pkl", data: Self.pickle)) }
                .contains("archive/data.pkl appears twice")
        )
    }

    @Test func entries_mustBeStoredAsTheyAre() {
        #expect(refusal { $0.entries[2].method = 8 }.contains("archive/data/0 is compressed (method 8)"))
        #expect(refusal { $0.entries[2].flags |= 1 }.contains("archive/data/0 is encrypted"))
        #expect(refusal { $0.entries[2].claimedStoredSize = 4 }.contains("claims to have 8"))
    }

    /// A file of two kilobytes that claims terabytes, or bytes of another entry.
    @Test func entries_mustLieInTheFile() {
        #expect(refusal { $0.entries[2].claimedSize = 1 << 31 }.contains("archive/data/0 lies outside"))
        #expect(refusal { $0.entries[2].claimedSize = 0xFFFF_FFFF }.contains("archive/data/0 lies outside"))
        #expect(refusal { $0.entries[2].claimedOffset = 0xFFFF_FFFF }.contains("archive/data/0 lies outside"))
        #expect(refusal { $0.entries[2].claimedOffset = 1 }.contains("is not where"))
        #expect(refusal { $0.entries[2].localName = "archive/data/1" }.contains("is not where"))
        #expect(refusal { $0.entries[1].claimedSize = 100 }.contains("overlap"))
        for claim in [1 << 40, UInt64(Int64.max), .max] {
            #expect(
                refusal {
                    $0.isWide = true
                    $0.entries[2].claimedSize = claim
                }.contains("archive/data/0 lies outside")
            )
            #expect(
                refusal {
                    $0.isWide = true
                    $0.entries[2].claimedOffset = claim
                }.contains("archive/data/0 lies outside")
            )
        }
    }

    @Test func entries_mayNotShareBytes() {
        #expect(
            refusal { archive in
                archive.entries.append(archive.entries[0])
                archive.entries[archive.entries.count - 1].claimedOffset = 0
            }.contains("appears twice")
        )
        // One header for two names is found by the name in it.
        #expect(
            refusal { archive in
                archive.entries.append(.init(name: "archive/data/9", data: []))
                archive.entries[archive.entries.count - 1].claimedOffset = 0
            }.contains("archive/data/9 is not where")
        )
    }

    @Test func names_mustBeText() {
        var file = sound.file()
        while let range = file.range(of: Data("archive/version".utf8)) { file[range.lowerBound] = 0xFF }
        #expect(CheckpointsTests.refusal(of: file).contains("not UTF-8"))
        #expect(refusal { $0.entries.append(.init(name: "", data: [])) }.contains("empty"))
    }

    @Test func directory_mustBeWhereTheEndSays() {
        #expect(refusal { $0.claimedCount = 3 }.contains("claims 3 entries"))
        #expect(refusal { $0.claimedDirectoryOffset = 0 }.contains("damaged"))
        #expect(refusal { $0.claimedDirectoryOffset = 1 << 30 }.contains("outside the file"))
        #expect(
            refusal {
                $0.isWide = true
                $0.claimedDirectoryOffset = .max
            }.contains("outside the file")
        )
        #expect(refusal { $0.comment = Array("hello".utf8) }.contains("no zip archive ends here"))
    }

    @Test func byteOrder_isChecked() {
        let big = ZipWriter(pickle: Self.pickle, storages: [("0", Array(repeating: 0, count: 8))], byteOrder: "big")
        #expect(CheckpointsTests.refusal(of: big.file()).contains("not little-endian"))
        let old = ZipWriter(pickle: Self.pickle, storages: [("0", Array(repeating: 0, count: 8))], byteOrder: nil)
        #expect(CheckpointsTests.refusal(of: old.file()) == "no error, 1 tensors")
    }

    @Test func otherFiles_areNamedForWhatTheyAre() {
        let legacy = Data([
            0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E, 0x80, 2,
        ])
        let reason = CheckpointsTests.refusal(of: legacy + Data(count: 100))
        #expect(reason.contains("before 1.6") && reason.contains("torch.save(torch.load("))
        #expect(CheckpointsTests.refusal(of: Data()).contains("too short"))
        #expect(CheckpointsTests.refusal(of: Data(count: 1000)).contains("no zip archive ends here"))
    }

    /// Whatever a file holds, opening it gives tensors within the file or a typed error.
    @Test(arguments: [false, true])
    func damagedFiles_areErrorsOrHarmless(isWide: Bool) {
        var archive = sound
        archive.isWide = isWide
        let whole = archive.file()
        for length in stride(from: 0, to: whole.count, by: 7) {
            #expect(!CheckpointsTests.refusal(of: whole.prefix(length)).hasPrefix("no error"))
        }
        var state: UInt64 = 1
        for _ in 0..<400 {
            var damaged = whole
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                damaged[Int(state >> 33) % whole.count] = UInt8(truncatingIfNeeded: state >> 24)
            }
            #expect(!CheckpointsTests.refusal(of: damaged).hasPrefix("another error"))
        }
    }
}
