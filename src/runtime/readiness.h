#pragma once
// What /ready says while the gateway is not: every app, and the plugin, that it waits for. Pure.

#include <span>
#include <string>
#include <string_view>

#include "exchange/core.h"

namespace ringtime::runtime {

struct Unready {
    std::string_view kind = {};     ///< "app", "plugin"; empty: the gateway itself.
    std::string_view name = {};
    std::string_view version = {};  ///< Empty where there is none.
    std::string_view problem;
};

/// Named at most; further ones are counted. A body of that many fits into a block of text.
inline constexpr size_t unready_named_max = 100;

/// Empty when there is none.
[[nodiscard]] std::string readiness_report(std::span<const Unready> all,
                                           exchange::Readiness::Form form);

}  // namespace ringtime::runtime
