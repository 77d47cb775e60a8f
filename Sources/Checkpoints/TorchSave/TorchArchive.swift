import Tensors

/// The entries of a file of `torch.save`: `data.pkl`, `byteorder` and `data/0`, `data/1`, … in one folder.
struct TorchArchive {
    /// Real pickles have some 200 bytes a tensor.
    private static let maximumPickleBytes = 64 << 20

    private let file: MappedFile
    private let zip: ZipArchive
    /// Name of the folder, with its slash.
    private let root: String
    /// The storages that were asked for; those that another tool has put off their alignment are copied once.
    private var storages: [String: (bytes: UnsafeRawBufferPointer, owner: AnyObject)] = [:]
    /// Bytes of tensors that are no views of the file.
    private var copied = 0

    init(_ file: MappedFile) throws(FormatError) {
        if file.bytes.starts(with: Self.legacyMagic) {
            throw FormatError(
                "is in PyTorch's format from before 1.6, which is not read; "
                    + "convert it with torch.save(torch.load(path, weights_only=True), path)"
            )
        }
        self.file = file
        zip = try ZipArchive(file.bytes)
        guard let first = zip.names.first, let slash = first.firstIndex(of: "/") else {
            throw FormatError("is a zip archive, but none of torch.save")
        }
        let root = String(first[...slash])
        self.root = root
        if let other = zip.names.first(where: { !$0.hasPrefix(root) }) {
            throw FormatError("\(other) lies outside the archive's folder \(root)")
        }
        // Written since PyTorch 2.1; older ones are taken for what all machines with weights have been.
        if let order = zip.entries["\(root)byteorder"], !file.bytes[order].elementsEqual("little".utf8) {
            throw FormatError("its numbers are not little-endian")
        }
    }

    /// A pickle of protocol 2 that begins with the number 0x1950a86a20f9469cfc6c.
    private static let legacyMagic: [UInt8] = [
        0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
    ]

    /// A copy: nobody can change it while it is read.
    func pickle() throws(FormatError) -> [UInt8] {
        guard let range = zip.entries["\(root)data.pkl"] else { throw FormatError("\(root)data.pkl is missing") }
        guard range.count <= Self.maximumPickleBytes else {
            throw FormatError("\(root)data.pkl is longer than \(Self.maximumPickleBytes) bytes")
        }
        return Array(file.bytes[range])
    }

    /// A view of the storage where the elements lie in order, as nearly always.
    ///
    /// Transposed and channels-last tensors are put in order in a copy: their authors see no difference, and neither
    /// should those who load them. Copies may take as much as the file and no more, so that a few bytes that a stride of
    /// zero repeats can't fill memory.
    mutating func tensor(_ view: TorchTensor, name: String) throws(FormatError) -> StoredTensor {
        func malformed(_ reason: String) -> FormatError { FormatError("tensor \(name): \(reason)") }
        let storage = try storage(view.storage, malformed)
        let dtype = view.storage.dtype
        let count: Int
        do {
            count = try view.checkedCount()
        } catch {
            throw malformed(error.reason)
        }
        let size = dtype.byteCount
        guard count > 0 else {
            let empty = UnsafeRawBufferPointer(start: nil, count: 0)
            return StoredTensor(name: name, dtype: dtype, shape: view.shape, bytes: empty, owner: file)
        }
        if view.isContiguous {
            // All elements lie within the storage, whose bytes are counted by an Int.
            let range = (view.offset * size)..<((view.offset + count) * size)
            let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[range])
            return StoredTensor(name: name, dtype: dtype, shape: view.shape, bytes: bytes, owner: storage.owner)
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, bytes <= file.bytes.count - copied else {
            throw malformed("strides \(view.strides) repeat elements beyond the size of the file")
        }
        copied += bytes
        let copy = OwnedBytes(count: bytes) { view.gather(from: storage.bytes, into: $0, elementSize: size) }
        return StoredTensor(name: name, dtype: dtype, shape: view.shape, bytes: copy.bytes, owner: copy)
    }

    private mutating func storage(
        _ storage: TorchStorage,
        _ malformed: (String) -> FormatError
    ) throws(FormatError) -> (bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        guard let range = zip.entries["\(root)data/\(storage.key)"] else {
            throw malformed("the file holds no storage \(String(storage.key.prefix(80)).debugDescription)")
        }
        let (size, overflow) = storage.count.multipliedReportingOverflow(by: storage.dtype.byteCount)
        guard !overflow, size == range.count else {
            throw malformed(
                "\(range.count) bytes of storage \(storage.key) are not \(storage.count) of \(storage.dtype.rawValue)"
            )
        }
        if let known = storages[storage.key] { return known }
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
        // To what any dtype needs: two tensors may read one storage in two of them.
        let isAligned = Int(bitPattern: bytes.baseAddress) % 8 == 0
        let opened: (bytes: UnsafeRawBufferPointer, owner: AnyObject)
        if isAligned || bytes.isEmpty {
            opened = (bytes, file)
        } else {
            let copy = OwnedBytes(bytes)
            opened = (copy.bytes, copy)
        }
        storages[storage.key] = opened
        return opened
    }
}
