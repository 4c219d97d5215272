#pragma once
// One question to a running gateway through its admin socket: what the command line is made of.
// Blocking; for a process that has nothing else to do.

#include <cstdint>
#include <string>
#include <string_view>

namespace ringtime::runtime {

struct AdminAnswer {
    uint16_t status = 0;
    std::string body;
};

enum class AdminOutcome : uint8_t {
    answered,
    no_gateway,  ///< Nobody listens there.
    failed,      ///< Somebody does, and did not answer properly.
};

/// `target`: path and query, encoded. `problem`: for people, when not answered.
[[nodiscard]] AdminOutcome ask_gateway(const std::string& socket_path, std::string_view method,
                                       std::string_view target, std::string_view body,
                                       AdminAnswer& answer, std::string& problem);

/// For a query or a segment of a path.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace ringtime::runtime
