// Whatever arrives at the API is taken apart without harm: patterns take whole segments, decoding
// never grows a text, and no origin with two readings passes for the own one.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api_request.h"

namespace {

using namespace ringtime::runtime;

void check(bool fact) {
    if (!fact) std::abort();
}

void check_pattern(std::string_view text) {
    std::vector<std::string_view> values;
    if (!match_pattern("/workers/{id}/restart", text, &values)) return;
    check(values.size() == 1 && !values[0].empty());
    check(values[0].find('/') == std::string_view::npos);
    check(text == "/workers/" + std::string(values[0]) + "/restart");
}

void check_origin(std::string_view text) {
    if (!same_origin(text, "example.com:8000")) return;
    // Only the scheme and capitals are free.
    check(text.size() == std::string_view("http://example.com:8000").size() ||
          text.size() == std::string_view("https://example.com:8000").size());
    check(text.find_first_of("/@?#", text.find("://") + 3) == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    check_pattern(text);
    check_origin(text);
    if (auto decoded = percent_decode(text, Plus::is_space)) {
        check(decoded->size() <= text.size());
        check(decoded->find('\0') == std::string::npos ||
              text.find('\0') != std::string_view::npos);
    }
    if (auto values = parse_query(text)) {
        size_t bytes = 0;
        for (const auto& [name, value] : *values) bytes += name.size() + value.size();
        check(bytes <= text.size());
    }
    check(bearer_key(text).size() <= text.size());
    return 0;
}
