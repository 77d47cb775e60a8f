import Checkpoints
import Images

extension KeyedDecodingContainer {
    /// One of Pillow's filters by its number, as `resample` has it; bicubic where there is none.
    func resizeFilter(_ key: Key) throws -> ResizeFilter {
        let code = try decodeIfPresent(Int.self, forKey: key) ?? 3
        guard let filter = ResizeFilter(pillowCode: code) else {
            throw invalid(key, "\(code) is not one of Pillow's filters (0…5)")
        }
        return filter
    }
}
