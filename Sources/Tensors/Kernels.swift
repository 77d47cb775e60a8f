import CTriptychKernels
import Foundation

/// The kernels in use: the best that this processor runs, or the set that `TRIPTYCH_ISA` names.
enum Kernels {
    /// Instruction sets under the names of `TRIPTYCH_ISA`.
    enum InstructionSet: Int32, CaseIterable {
        case baseline
        case avx2
        case avx512

        /// This set's kernels; nil where the processor, its operating system or the build lacks it.
        var table: tk_kernels? { tk_kernels_for(rawValue)?.pointee }

        var name: String { String(describing: self) }
    }

    static let selected: InstructionSet = {
        let best = InstructionSet.allCases.last { $0.table != nil } ?? .baseline
        guard let name = ProcessInfo.processInfo.environment["TRIPTYCH_ISA"], !name.isEmpty else { return best }
        guard let forced = InstructionSet.allCases.first(where: { $0.name == name }) else {
            warn("TRIPTYCH_ISA=\(name) is not one of baseline, avx2, avx512; using \(best.name)")
            return best
        }
        guard forced.table != nil else {
            warn("TRIPTYCH_ISA=\(name) is not available on this processor; using \(best.name)")
            return best
        }
        return forced
    }()

    static let active: tk_kernels = {
        guard let table = selected.table else { preconditionFailure("selected only where a table exists") }
        return table
    }()

    private static func warn(_ message: String) {
        FileHandle.standardError.write(Data("triptych: \(message)\n".utf8))
    }
}
