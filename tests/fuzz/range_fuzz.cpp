// Whatever Range arrives, the ranges lie within the file, never overlap and never exceed it. The
// first byte of the input chooses the size.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "site/range.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ringtime::site;
    if (size == 0) return 0;
    constexpr uint64_t sizes[] = {0, 1, 2, 10, 100, 65536, uint64_t{1} << 40, INT64_MAX};
    uint64_t file = sizes[data[0] % 8];
    // Mutation alone rarely finds the unit.
    std::string value = data[0] & 8 ? "" : "bytes=";
    value.append(reinterpret_cast<const char*>(data) + 1, size - 1);
    RangeSet set = resolve_ranges(value, file);
    if ((set.kind == RangeSet::Kind::partial) != (set.count > 0)) std::abort();
    if (set.count > limits::ranges_max) std::abort();
    for (unsigned i = 0; i < set.count; ++i) {
        const ByteRange& one = set.items[i];
        if (one.first > one.last || one.last >= file) std::abort();
        for (unsigned j = 0; j < i; ++j) {
            const ByteRange& other = set.items[j];
            if (one.first <= other.last && other.first <= one.last) std::abort();
        }
    }
    return 0;
}
