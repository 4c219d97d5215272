#pragma once
// `ringtime new plugin`: a native plugin with its manifest, a Meson file that finds the SDK through
// pkg-config, a test that asks a running gateway, and a README.

#include <string>

namespace ringtime::runtime {

/// False: `problem` says why, and nothing stays.
[[nodiscard]] bool scaffold_plugin(const std::string& name, std::string& problem);

}  // namespace ringtime::runtime
