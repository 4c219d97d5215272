#pragma once
// How the head parsers search: one of these two, chosen once per call. Private to the parsers.

#include "base/assert.h"
#include "http/scan.h"
#include "http/syntax.h"
#include "http/words.h"

namespace ringtime::http::detail {

/// Searches masks of 64-byte blocks, which are made when a search first reaches them. Blocks are
/// classified in runs of growing length: a short head behind which a full buffer of pipelined requests
/// waits pays for itself only.
class MaskFinder {
 public:
    /// The line's end may be searched from its beginning: the two searches of a line then do not wait
    /// for one another.
    static constexpr bool kSearchesAreIndependent = true;
    static constexpr size_t kBytesMax = UINT16_MAX;

    /// `from`: no search will begin before it. Precondition: size <= kBytesMax.
    MaskFinder(const ScanPath& scan, const char* data, size_t size, size_t from) noexcept
        : scan_(scan), data_(data), size_(size), ready_(from / 64) {
        DEBUG_ASSERT(size <= kBytesMax);
    }

    /// First position in [from, size) with such a byte, else `size`.
    [[nodiscard]] size_t not_token(size_t from) noexcept { return find<&BlockMasks::not_token>(from); }
    [[nodiscard]] size_t not_value(size_t from) noexcept { return find<&BlockMasks::not_value>(from); }

 private:
    template <uint64_t BlockMasks::*kMask>
    size_t find(size_t from) noexcept {
        size_t block = from / 64;
        uint64_t skip = ~uint64_t{0} << (from % 64);
        for (;;) {
            if (block >= ready_) [[unlikely]] {
                if (block * 64 >= size_) return size_;
                classify_up_to(block);
            }
            // Bits beyond the text are set: the search ends at exactly `size_`.
            if (uint64_t hits = masks_[block].*kMask & skip; hits != 0) {
                return block * 64 + static_cast<size_t>(std::countr_zero(hits));
            }
            skip = ~uint64_t{0};
            ++block;
        }
    }

    void classify_up_to(size_t block) noexcept {
        size_t blocks = (size_ + 63) / 64;
        while (ready_ <= block) {
            size_t count = run_ < blocks - ready_ ? run_ : blocks - ready_;
            scan_.classify(data_, size_, ready_, count, masks_);
            ready_ += count;
            run_ *= 2;
        }
    }

    const ScanPath& scan_;
    const char* data_;
    size_t size_;
    size_t ready_;
    size_t run_ = 1;
    BlockMasks masks_[kBytesMax / 64 + 1];
};

/// Searches word by word, without preparation.
class WordFinder {
 public:
    static constexpr bool kSearchesAreIndependent = false;

    WordFinder(const char* data, size_t size) noexcept : data_(data), size_(size) {}

    [[nodiscard]] size_t not_token(size_t from) noexcept {
        while (from < size_ && is_class(data_[from], kTokenChar)) ++from;
        return from;
    }
    [[nodiscard]] size_t not_value(size_t from) noexcept {
        for (;;) {
            size_t at = words::find(data_, from, size_, words::control,
                                    [](char c) { return !is_class(c, kValueChar); });
            // HTAB is the one control a value may hold.
            if (at >= size_ || data_[at] != '\t') return at;
            from = at + 1;
        }
    }

 private:
    const char* data_;
    size_t size_;
};

}  // namespace ringtime::http::detail
