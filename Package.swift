// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]
let strictC: [CSetting] = [.treatAllWarnings(as: .error)]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

/// Imports go one way only: a target depends on targets further down the list.
let sources: [Target] = [
    .executableTarget(
        name: "triptych",
        dependencies: [
            "ServerAPI", "HTTPTransport", "HTTPMessages", "Serving", "Settings", "Pipelines", "Networks", "Checkpoints",
            "HTTPClient", "Images", "Tensors", argumentParser,
            logging,
        ],
        swiftSettings: strict
    ),
    .executableTarget(
        name: "KernelBenchmark",
        dependencies: ["Tensors"],
        path: "Benchmarks/kernels/KernelBenchmark",
        swiftSettings: strict
    ),

    // Requests: from bytes on a socket to jobs.
    .target(
        name: "ServerAPI",
        dependencies: ["HTTPMessages", "Serving", "Pipelines", "Images", "StrictJSON", crypto, httpTypes, logging],
        swiftSettings: strict
    ),
    .target(name: "HTTPTransport", dependencies: ["HTTPMessages", httpTypes], swiftSettings: strict),
    .target(name: "HTTPMessages", dependencies: [httpTypes], swiftSettings: strict),
    .target(name: "Serving", dependencies: ["Pipelines", "Images", grdb, logging], swiftSettings: strict),
    .target(name: "Settings", dependencies: ["Pipelines", configuration, "Yams"], swiftSettings: strict),

    // Models: from jobs to pixels and words.
    .target(
        name: "Pipelines",
        dependencies: ["Networks", "Checkpoints", "Samplers", "Tokenizers", "Images", "Tensors"],
        swiftSettings: strict
    ),
    .target(name: "Networks", dependencies: ["Checkpoints", "Tensors"], swiftSettings: strict),
    .target(name: "Checkpoints", dependencies: ["Tensors", "StrictJSON"], swiftSettings: strict),
    .target(name: "Samplers", dependencies: ["StrictJSON"], swiftSettings: strict),
    .target(name: "Tokenizers", dependencies: ["StrictJSON"], swiftSettings: strict),
    .target(name: "Images", dependencies: ["CJPEG", "CSPNG", "CWebP"], swiftSettings: strict),
    .target(name: "Tensors", dependencies: ["CTriptychKernels", "COpenBLAS"], swiftSettings: strict),

    // What both need.
    .target(name: "HTTPClient", swiftSettings: strict),
    .target(name: "StrictJSON", swiftSettings: strict),

    // C: our kernels, a shim, and system libraries.
    .target(name: "CTriptychKernels", cSettings: strictC),
    .target(name: "CJPEG", cSettings: strictC, linkerSettings: [.linkedLibrary("jpeg")]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CSPNG", pkgConfig: "spng", providers: [.apt(["libspng-dev"])]),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
]

/// Tests mirror targets; what they share is at the end.
let tests: [Target] = [
    .testTarget(name: "CommandLineTests", dependencies: ["triptych", "Images", "GoldenData"], swiftSettings: strict),
    .testTarget(
        name: "ServerAPITests",
        dependencies: [
            "ServerAPI", "ServingFakes", "Serving", "Pipelines", "Images", "HTTPMessages", "StrictJSON", httpTypes,
            logging,
        ],
        swiftSettings: strict
    ),
    .testTarget(
        name: "HTTPTransportTests",
        dependencies: ["HTTPTransport", "HTTPMessages", httpTypes],
        swiftSettings: strict
    ),
    .testTarget(name: "HTTPMessagesTests", dependencies: ["HTTPMessages", httpTypes], swiftSettings: strict),
    .testTarget(
        name: "ServingTests",
        dependencies: ["Serving", "ServingFakes", "Pipelines", "Images", grdb, logging],
        swiftSettings: strict
    ),
    .testTarget(name: "SettingsTests", dependencies: ["Settings", "Pipelines"], swiftSettings: strict),
    .testTarget(
        name: "PipelinesTests",
        dependencies: [
            "Pipelines", "Networks", "Checkpoints", "Samplers", "Tokenizers", "Images", "Tensors", "GoldenData",
        ],
        swiftSettings: strict
    ),
    .testTarget(
        name: "NetworksTests",
        dependencies: ["Networks", "Checkpoints", "Tensors", "GoldenData"],
        swiftSettings: strict
    ),
    .testTarget(
        name: "CheckpointsTests",
        dependencies: ["Checkpoints", "Tensors", "GoldenData"],
        swiftSettings: strict
    ),
    .testTarget(name: "SamplersTests", dependencies: ["Samplers"], swiftSettings: strict),
    .testTarget(name: "TokenizersTests", dependencies: ["Tokenizers", "GoldenData"], swiftSettings: strict),
    .testTarget(name: "StrictJSONTests", dependencies: ["StrictJSON"], swiftSettings: strict),
    .testTarget(name: "ImagesTests", dependencies: ["Images", crypto], swiftSettings: strict),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "CTriptychKernels"], swiftSettings: strict),

    .target(
        name: "ServingFakes",
        dependencies: ["Serving", "Pipelines", "Images", logging],
        path: "Tests/ServingFakes",
        swiftSettings: strict
    ),
    .target(
        name: "GoldenData",
        dependencies: ["Checkpoints", "Tensors"],
        path: "Tests/GoldenData",
        swiftSettings: strict
    ),
]

let package = Package(
    name: "triptych",
    products: [.executable(name: "triptych", targets: ["triptych"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: sources + tests,
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
