#include "http/short_head.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "http/avx2.h"
#include "http/field_line.h"
#include "http/field_section.h"
#include "http/head_parser.h"
#include "http/interning.h"

namespace ringtime::http::detail {

#if defined(__x86_64__)

namespace {

using namespace avx2;

constexpr std::string_view kVersion = " HTTP/1.1";

/// Bit i for byte i; those of a whole text have all bits behind it set.
struct Masks {
    uint64_t not_token;
    uint64_t control;
    uint64_t not_target;
    uint64_t not_host;
    uint64_t query;
};

RINGTIME_AVX2 inline Masks classify_half(const char* from) noexcept {
    Bytes bytes = load(from);
    Bytes rows = rows_of(bytes);
    Bytes del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f));
    return {outside(bytes, rows, kTokens), bits_of(_mm256_or_si256(rows, del)),
            outside(bytes, rows, kTargets), outside(bytes, rows, kHosts),
            bits_of(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('?')))};
}

// Two halves that overlap where they must: both say the same about the bytes they share.
RINGTIME_AVX2 inline Masks classify(const char* data, size_t size) noexcept {
    size_t distance = size - 32;
    Masks low = classify_half(data);
    Masks high = classify_half(data + distance);
    uint64_t beyond = ~uint64_t{0} << size;
    return {low.not_token | high.not_token << distance | beyond,
            low.control | high.control << distance | beyond,
            low.not_target | high.not_target << distance | beyond,
            low.not_host | high.not_host << distance | beyond,
            low.query | high.query << distance | beyond};
}

/// Bytes from `at` on until the first set bit; such a bit stands behind the text. Precondition:
/// at <= short_head_max.
RINGTIME_AVX2 inline size_t run(uint64_t mask, size_t at) noexcept {
    return static_cast<size_t>(__builtin_ctzll(mask >> at));
}

/// Whether the name is Host, which comes first where clients do as RFC 9110 §7.2 asks.
inline bool is_host(const char* name, size_t size) noexcept {
    uint32_t word;
    std::memcpy(&word, name, sizeof word);
    return size == 4 && (word | 0x20202020U) == ('h' | 'o' << 8 | 's' << 16 | 't' << 24);
}

/// More lines than a short head has room for.
constexpr size_t kFieldsMax = short_head_max / 4;

/// Offset behind the empty line; 0 when a line is not usual. `host`: the value of the one Host.
RINGTIME_AVX2 inline size_t take_lines(const Masks& masks, const char* data, size_t size,
                                       size_t line, FieldTable& table,
                                       std::string_view& host) noexcept {
    for (;;) {
        size_t end = line + run(masks.control, line);
        size_t colon = line + run(masks.not_token, line);
        if (end + 2 > size || !is_line_end(data + end)) return 0;
        if (data[colon] != ':' || colon == line) return end == line ? line + 2 : 0;
        FieldId id = is_host(data + line, colon - line)
                         ? FieldId::host
                         : interning::find(data + line, colon - line);
        Field field = field_at(data, line, colon, end, id);
        if (id == FieldId::host) {
            // A second line, or more than a name: the rest of the grammar is parse_authority()'s.
            if (host.data() || run(masks.not_host, field.value_offset) < field.value_size)
                return 0;
            host = {data + field.value_offset, field.value_size};
        } else if (id == FieldId::other &&
                   is_alias_of_protected_field({data + line, colon - line})) {
            return 0;
        }
        table.add(field);
        line = end + 2;
    }
}

RINGTIME_AVX2 size_t read_short_head(const HeadLimits& limits, const char* data, size_t size,
                                     RequestHead& out) noexcept {
    DEBUG_ASSERT(size >= short_head_min && size <= short_head_max);
    Masks masks = classify(data, size);
    size_t method_end = run(masks.not_token, 0);
    size_t line_end = run(masks.control, 0);
    // A target of one byte at least; a mask without a hit ends behind the text.
    if (line_end + 2 > size || line_end < method_end + 2 + kVersion.size()) return 0;
    size_t target = method_end + 1;
    size_t target_size = line_end - kVersion.size() - target;
    bool usual = is_line_end(data + line_end) && data[method_end] == ' ' && data[target] == '/' &&
                 std::memcmp(data + target + target_size, kVersion.data(), kVersion.size()) == 0 &&
                 run(masks.not_target, target) == target_size &&
                 target_size <= limits.target_bytes;
    if (!usual || limits.fields < kFieldsMax) return 0;
    out.fields.clear();
    std::string_view host;
    size_t end = take_lines(masks, data, size, line_end + 2, out.fields, host);
    if (end == 0 || host.empty()) return 0;
    size_t path_size = std::min(run(masks.query, target), target_size);
    // The first call of a function, when no mask is needed any more: vectors do not survive one.
    Method method = intern_method(data, method_end);
    if (method == Method::other || method >= Method::connect) return 0;

    out.fields.base = data;
    out.method = method;
    out.version = Version::http_1_1;
    out.form = TargetForm::origin;
    out.method_text = {data, method_end};
    out.target = {data + target, target_size};
    out.path = {data + target, path_size};
    out.query = {};
    if (path_size < target_size)
        out.query = {data + target + path_size + 1, target_size - path_size - 1};
    out.host = out.authority = host;
    return end;
}

}  // namespace

ReadShortHead short_head_reader(const ScanPath& scan) noexcept {
    return &scan == avx2_scan() ? read_short_head : nullptr;
}

#else

ReadShortHead short_head_reader(const ScanPath&) noexcept { return nullptr; }

#endif

}  // namespace ringtime::http::detail
