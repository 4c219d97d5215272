#pragma once
// HTTP/1 as the far ends of the simulation read and write it: written apart from the gateway's
// parser, so that the two can disagree. Simple instead of fast; strict where a gateway must be.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ringtime::sim {

/// The bytes of body `id`: no two bodies agree for long.
[[nodiscard]] std::string body_of(uint64_t id, size_t size);

/// `body` in chunks of at most `chunk_max` bytes, last chunk included.
[[nodiscard]] std::string in_chunks(std::string_view body, size_t chunk_max);

struct Message {
    enum class State : uint8_t { incomplete, complete, malformed };
    enum class Framing : uint8_t { none, length, chunked, until_close };

    State state = State::incomplete;
    bool has_head = false;
    Framing framing = Framing::none;
    int status = 0;                             ///< Of an answer.
    std::string first_line;
    std::map<std::string, std::string>
        fields;  ///< Lower-case names; repeated ones joined with ", ".
    std::string body;                           ///< As much of it as there is.
    size_t size = 0;                            ///< Bytes taken from the text, when complete.
    const char* problem = "";

    [[nodiscard]] std::string field(const std::string& name) const {
        const auto found = fields.find(name);
        return found == fields.end() ? std::string() : found->second;
    }
    [[nodiscard]] bool closes() const {
        return field("connection").find("close") != std::string::npos;
    }
};

enum class Kind : uint8_t { request, answer, answer_to_head };

/// Reads the message at the start of `text`. `ended`: nothing will follow.
[[nodiscard]] Message read_message(std::string_view text, Kind kind, bool ended);

/// The value of `name` in a query like `a=1&b=2`; `missing` without it.
[[nodiscard]] uint64_t query_number(std::string_view target, std::string_view name,
                                    uint64_t missing);

}  // namespace ringtime::sim
