#include "http/scan.h"

#include <bit>

#include "http/avx2.h"
#include "http/syntax.h"
#include "http/words.h"

namespace ringtime::http {
namespace {

TargetScan portable_target(const char* data, size_t from, size_t size) {
    size_t end = words::find(data, from, size, words::not_target,
                             [](char c) { return !is_class(c, kTargetChar); });
    size_t query = words::find(
        data, from, end, [](uint64_t w) { return words::equal(w, '?'); },
        [](char c) { return c == '?'; });
    return {end, query};
}

bool portable_path_is_plain(const char* data, size_t size) {
    char previous = 0;
    for (size_t i = 0; i < size; ++i) {
        char c = data[i];
        if (!is_class(c, kPathRawChar) || (c == '.' && previous == '/')) return false;
        previous = c;
    }
    return true;
}

#if defined(__x86_64__)

using namespace avx2;

struct Masks {
    uint64_t not_token;
    uint64_t control;
};

RINGTIME_AVX2 inline Masks classify_half(const char* half) {
    Bytes bytes = load(half);
    Bytes rows = rows_of(bytes);
    Bytes del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f));
    return {outside(bytes, rows, kTokens), bits_of(_mm256_or_si256(rows, del))};
}

/// Two halves, the second of which begins `distance` bytes behind the first.
RINGTIME_AVX2 inline Masks classify_halves(const char* block, size_t distance) {
    Masks low = classify_half(block);
    Masks high = classify_half(block + distance);
    return {low.not_token | high.not_token << distance, low.control | high.control << distance};
}

/// Fewer than 32 bytes in all.
Masks classify_bytes(const char* data, size_t size) {
    Masks masks{0, 0};
    for (size_t i = 0; i < size; ++i) {
        bool control = data[i] == '\t' || !is_class(data[i], kValueChar);
        masks.not_token |= static_cast<uint64_t>(!is_class(data[i], kTokenChar)) << i;
        masks.control |= static_cast<uint64_t>(control) << i;
    }
    return masks;
}

/// The last block, of `used` < 64 bytes: from loads that end with the text and begin before the
/// block, or overlap.
RINGTIME_AVX2 Masks classify_tail(const char* data, size_t size, size_t used) {
    Masks masks{};
    if (size >= 64) {
        masks = classify_halves(data + size - 64, 32);
        masks = {masks.not_token >> (64 - used), masks.control >> (64 - used)};
    } else {
        masks = size >= 32 ? classify_halves(data, size - 32) : classify_bytes(data, size);
    }
    uint64_t beyond = ~uint64_t{0} << used;
    return {masks.not_token | beyond, masks.control | beyond};
}

RINGTIME_AVX2 void avx2_classify(const char* data, size_t size, size_t first, size_t count,
                                 BlockMasks masks) {
    size_t end = first + count;
    size_t whole = end * 64 <= size ? end : end - 1;
    for (size_t i = first; i < whole; ++i) {
        Masks block = classify_halves(data + i * 64, 32);
        masks.not_token[i] = block.not_token;
        masks.control[i] = block.control;
    }
    if (whole == end) return;
    Masks tail = classify_tail(data, size, size - whole * 64);
    masks.not_token[whole] = tail.not_token;
    masks.control[whole] = tail.control;
}

RINGTIME_AVX2 TargetScan avx2_target(const char* data, size_t from, size_t size) {
    size_t query = size;
    size_t at = from;
    for (; at + 32 <= size; at += 32) {
        Bytes bytes = load(data + at);
        uint32_t stops = outside(bytes, rows_of(bytes), kTargets);
        uint32_t marks = bits_of(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('?')));
        if (query == size && marks != 0) query = at + static_cast<size_t>(std::countr_zero(marks));
        if (stops != 0) {
            size_t end = at + static_cast<size_t>(std::countr_zero(stops));
            return {end, query < end ? query : end};
        }
    }
    for (; at < size && is_class(data[at], kTargetChar); ++at) {
        if (query == size && data[at] == '?') query = at;
    }
    return {at, query < at ? query : at};
}

RINGTIME_AVX2 inline uint32_t path_stops(Bytes bytes, Bytes before) {
    Bytes hidden = _mm256_and_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.')),
                                    _mm256_cmpeq_epi8(before, _mm256_set1_epi8('/')));
    return outside(bytes, rows_of(bytes), kPaths) | bits_of(hidden);
}

RINGTIME_AVX2 bool avx2_path_is_plain(const char* data, size_t size) {
    if (size < 33) return portable_path_is_plain(data, size);
    // The first byte has no predecessor and is checked by itself.
    if (!is_class(data[0], kPathRawChar)) return false;
    size_t at = 1;
    for (; at + 32 <= size; at += 32) {
        if (path_stops(load(data + at), load(data + at - 1)) != 0) return false;
    }
    return path_stops(load(data + size - 32), load(data + size - 33)) == 0;
}

constexpr ScanPath kAvx2 = {"avx2", avx2_classify, avx2_target, avx2_path_is_plain};

#endif

constexpr ScanPath kPortable = {"portable", nullptr, portable_target, portable_path_is_plain};

}  // namespace

const ScanPath& portable_scan() noexcept { return kPortable; }

const ScanPath* avx2_scan() noexcept {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? &kAvx2 : nullptr;
#else
    return nullptr;
#endif
}

const ScanPath& best_scan() noexcept {
    const ScanPath* fast = avx2_scan();
    return fast ? *fast : kPortable;
}

}  // namespace ringtime::http
