import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A whole file as read-only memory: pages come in as they are touched and cost no private memory.
///
/// The mapping lives as long as this object. Nobody may shorten the file meanwhile; like every program that maps
/// its weights, the process would be stopped by the kernel when it touches what is gone.
final class MappedFile: @unchecked Sendable {  // the mapping is read-only and never changes after `init`
    let url: URL
    let bytes: UnsafeRawBufferPointer

    /// - Throws: `CheckpointError.unreadableFile` naming the file and the system's reason.
    init(_ url: URL) throws(CheckpointError) {
        func failure(_ reason: String) -> CheckpointError { .unreadableFile(file: url.path, reason: reason) }

        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure("not a regular file") }
        let count = Int(status.st_size)
        self.url = url
        guard count > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw failure(String(cString: strerror(errno)))
        }
        bytes = UnsafeRawBufferPointer(start: address, count: count)
    }

    /// Gives the memory under all pages back; those that are touched again come back from the file.
    func releasePages() {
        guard let address = bytes.baseAddress else { return }
        madvise(UnsafeMutableRawPointer(mutating: address), bytes.count, MADV_DONTNEED)
    }

    deinit {
        if let address = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
        }
    }
}
