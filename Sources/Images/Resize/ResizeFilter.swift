import Foundation

/// The kernels of Pillow's `Image.resize`.
package enum ResizeFilter: String, Sendable, Codable, CaseIterable {
    case nearest, box, bilinear, hamming, bicubic, lanczos

    /// From Pillow's numbers, as `resample` of preprocessor configurations has them.
    package init?(pillowCode: Int) {
        switch pillowCode {
        case 0: self = .nearest
        case 1: self = .lanczos
        case 2: self = .bilinear
        case 3: self = .bicubic
        case 4: self = .box
        case 5: self = .hamming
        default: return nil
        }
    }

    /// The kernel is zero farther than this from its centre, in source pixels (destination pixels when shrinking).
    var support: Double {
        switch self {
        case .nearest: 0
        case .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The kernel's value at distance `x` from its centre.
    func weight(at x: Double) -> Double {
        let distance = abs(x)
        switch self {
        case .nearest:
            return 0
        case .box:
            return x > -0.5 && x <= 0.5 ? 1 : 0
        case .bilinear:
            return distance < 1 ? 1 - distance : 0
        case .hamming:
            if distance == 0 { return 1 }
            if distance >= 1 { return 0 }
            let angle = distance * .pi
            return sin(angle) / angle * (0.54 + 0.46 * cos(angle))
        case .bicubic:
            // Keys' cubic convolution with a = -1/2.
            let a = -0.5
            if distance < 1 { return ((a + 2) * distance - (a + 3)) * distance * distance + 1 }
            if distance < 2 { return (((distance - 5) * distance + 8) * distance - 4) * a }
            return 0
        case .lanczos:
            return x >= -3 && x < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
        }
    }

    private static func sinc(_ x: Double) -> Double {
        if x == 0 { return 1 }
        let angle = x * .pi
        return sin(angle) / angle
    }
}
