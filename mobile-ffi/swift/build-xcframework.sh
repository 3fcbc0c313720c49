#!/usr/bin/env bash
# Builds LangSoFFI.xcframework and the Swift sources. Needs macOS with Xcode, and the three Rust targets below.
set -euo pipefail
cd "$(dirname "$0")/../.."
. mobile-ffi/library.env

targets=(aarch64-apple-ios aarch64-apple-ios-sim aarch64-apple-darwin)
out=mobile-ffi/swift
generated=target/bindings/swift

cargo build -p mobile-ffi --features bindgen
target/debug/uniffi-bindgen generate --language swift --out-dir "$generated" target/debug/liblangso_mobile.dylib
mv "$generated/LangSo.swift" "$out/Sources/LangSo/LangSo.swift"
mkdir -p "$generated/headers"
mv "$generated/LangSoFFI.h" "$generated/headers/"
mv "$generated/LangSoFFI.modulemap" "$generated/headers/module.modulemap"

arguments=()
for target in "${targets[@]}"; do
    cargo build -p mobile-ffi --lib --profile mobile --no-default-features --features sqlcipher --target "$target"
    arguments+=(-library "target/$target/mobile/liblangso_mobile.a" -headers "$generated/headers")
done
rm -rf "$out/LangSoFFI.xcframework"
xcodebuild -create-xcframework "${arguments[@]}" -output "$out/LangSoFFI.xcframework"
