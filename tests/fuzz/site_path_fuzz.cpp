// Whatever path arrives, what would reach the kernel is a plain name below the folder.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "site/inject.h"
#include "site/limits.h"
#include "site/path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ringtime::site;
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (injection_point(input) > input.size()) std::abort();
    char out[limits::path_bytes_max];
    DecodedPath path = decode_path(input, out);
    if (path.verdict != PathVerdict::ok) return 0;
    if (path.text.size() > limits::path_bytes_max) std::abort();
    if (path.text.find('\0') != std::string_view::npos) std::abort();
    if (path.text.starts_with('/')) std::abort();
    size_t begin = 0;
    while (begin < path.text.size()) {
        size_t end = path.text.find('/', begin);
        if (end == std::string_view::npos) end = path.text.size();
        std::string_view name = path.text.substr(begin, end - begin);
        if (name.empty() || name.size() > limits::name_bytes_max) std::abort();
        if (name.front() == '.' && !(begin == 0 && name == ".well-known")) std::abort();
        begin = end + 1;
    }
    return 0;
}
