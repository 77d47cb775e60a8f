import Checkpoints
import Tensors

/// PixArt's adaLN-single (arXiv 2310.00426): one embedding of the timestep serves all norms, and each adds numbers of its
/// own to it. `scale_shift_table` [rows, width].
struct ModulationTable: Sendable {
    /// What a row is for.
    enum Row: Sendable {
        /// Added behind a norm.
        case shift
        /// 1 more than this is multiplied behind a norm.
        case scale
        /// Multiplies what a layer adds to the hidden state.
        case gate
    }

    private let rows: [Row]
    private let table: Tensor

    init(_ reader: ParameterReader, _ rows: [Row], _ width: Int) {
        self.rows = rows
        table = reader.tensor("scale_shift_table", [rows.count, width]).tensor()
    }

    /// What every row is for items whose times are embedded in [batch, rows × width]: [batch, width] each.
    func callAsFunction(_ time: Tensor) -> [Tensor] {
        let (batch, width) = (time.shape[0], table.shape[1])
        let moved = time.reshaped([batch, rows.count, width]).permuted([1, 0, 2]).addedToRows(table)
        return rows.enumerated().map { index, row in
            let values = moved[index..<index + 1].reshaped([batch, width])
            return row == .scale ? Tensor(values.array.map { 1 + $0 }, shape: values.shape) : values
        }
    }
}
