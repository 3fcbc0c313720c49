// swift-tools-version:5.9
import PackageDescription

// `build-xcframework.sh` makes both halves: the XCFramework with the Rust library, and `Sources/LangSo/LangSo.swift`.
let package = Package(
    name: "LangSo",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "LangSo", targets: ["LangSo"])],
    targets: [
        .binaryTarget(name: "LangSoFFI", path: "LangSoFFI.xcframework"),
        // Random numbers of SQLCipher; everything else comes with the system's library.
        .target(name: "LangSo", dependencies: ["LangSoFFI"], linkerSettings: [.linkedFramework("Security")]),
    ]
)
