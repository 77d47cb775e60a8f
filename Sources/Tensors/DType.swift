import CTriptychKernels

/// The element types that safetensors files hold, under the names they carry there.
package enum DType: String, Sendable, CaseIterable {
    case float64 = "F64"
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case int64 = "I64"
    case int32 = "I32"
    case int16 = "I16"
    case int8 = "I8"
    case uint8 = "U8"
    case bool = "BOOL"

    /// Bytes of one element.
    package var byteCount: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16: 2
        case .int8, .uint8, .bool: 1
        }
    }

    /// The dtype as the kernels name it; nil for those that no kernel computes with.
    var kernelCode: Int32? {
        switch self {
        case .float32: Int32(TK_FLOAT32)
        case .float16: Int32(TK_FLOAT16)
        case .bfloat16: Int32(TK_BFLOAT16)
        default: nil
        }
    }

    /// Whether weights of this dtype can take part in a network.
    package var isFloatingPoint: Bool { kernelCode != nil }
}
