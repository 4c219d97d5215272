#pragma once
// What the fuzz targets share. A target states invariants and never expectations about one input:
// two code paths agree, cuts do not matter, what was understood can be written and understood
// again, and an independent reading of the grammar agrees.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define CHECK(fact)                                                                 \
    do {                                                                            \
        if (!(fact)) {                                                              \
            std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #fact); \
            std::abort();                                                           \
        }                                                                           \
    } while (false)

namespace fuzz {

/// FNV-1a: choices that depend on the input alone, so that every finding replays.
inline uint64_t hash(std::string_view text) {
    uint64_t value = 0xcbf29ce484222325ULL;
    for (char c : text) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
    return value ^ value >> 29;
}

/// The independent parsers are slow and strings all over; the fuzzer asks them about every eighth
/// input, the replay about all.
inline bool ask_reference([[maybe_unused]] uint64_t choice) {
#ifdef RINGTIME_FUZZ_REPLAY
    return true;
#else
    return choice >> 40 & 7 ? false : true;
#endif
}

/// A copy of exactly the text's size, so that a sanitizer sees a byte read beyond it.
class Exact {
  public:
    explicit Exact(std::string_view text)
        : data_(static_cast<char*>(std::malloc(text.size() ? text.size() : 1))),
          size_(text.size()) {
        std::memcpy(data_, text.data(), text.size());
    }
    Exact(const Exact&) = delete;
    Exact& operator=(const Exact&) = delete;
    ~Exact() { std::free(data_); }
    const char* data() const { return data_; }
    size_t size() const { return size_; }
    std::string_view text() const { return {data_, size_}; }

  private:
    char* data_;
    size_t size_;
};

inline std::string_view text_of(const uint8_t* data, size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace fuzz
