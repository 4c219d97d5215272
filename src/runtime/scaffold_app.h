#pragma once
// `ringtime new app`: a worker app in C++ with its manifest, a Makefile that finds the SDK through
// pkg-config, a test that asks a running gateway, and a README.

#include <string>

namespace ringtime::runtime {

/// False: `problem` says why, and nothing stays.
[[nodiscard]] bool scaffold_app(const std::string& name, std::string& problem);

}  // namespace ringtime::runtime
