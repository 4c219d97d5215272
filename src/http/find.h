#pragma once
// How the head parsers search: one of these two, chosen once per call. Private to the parsers.

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "http/scan.h"
#include "http/syntax.h"
#include "http/words.h"

namespace ringtime::http::detail {

/// Searches masks of 64-byte blocks, which are made in runs of growing length, so that a short head
/// before a full buffer of pipelined requests pays for itself only. Behind the classified blocks
/// stands one of hits: a search that ends at `classified()` or later has found nothing yet.
class MaskFinder {
  public:
    static constexpr size_t kBytesMax = UINT16_MAX;

    /// `from`: no search will begin before it. Precondition: size <= kBytesMax.
    MaskFinder(const ScanPath& scan, const char* data, size_t size, size_t from) noexcept
        : scan_(scan), data_(data), size_(size), ready_(from / 64) {
        DEBUG_ASSERT(size <= kBytesMax);
        set_sentinel();
    }

    /// First position from `from` on with such a byte. Precondition: from <= classified().
    [[nodiscard]] size_t not_token(size_t from) const noexcept { return find(not_token_, from); }
    [[nodiscard]] size_t control(size_t from) const noexcept { return find(control_, from); }

    /// Bytes whose masks are made.
    [[nodiscard]] size_t classified() const noexcept { return classified_; }

    /// False when all of the text is classified. Out of line, or its call costs the searching loop
    /// its registers.
    [[gnu::noinline]] bool classify_more() noexcept {
        size_t blocks = (size_ + 63) / 64;
        if (ready_ >= blocks) return false;
        size_t count = std::min(run_, blocks - ready_);
        scan_.classify(data_, size_, ready_, count, {not_token_, control_});
        ready_ += count;
        classified_ = std::min(ready_ * 64, size_);
        run_ *= 4;
        set_sentinel();
        return true;
    }

  private:
    void set_sentinel() noexcept { not_token_[ready_] = control_[ready_] = ~uint64_t{0}; }

    [[nodiscard]] static size_t find(const uint64_t* masks, size_t from) noexcept {
        size_t block = from / 64;
        uint64_t hits = masks[block] >> (from % 64);
        if (hits != 0) [[likely]]
            return from + static_cast<size_t>(std::countr_zero(hits));
        do hits = masks[++block];
        while (hits == 0);
        return block * 64 + static_cast<size_t>(std::countr_zero(hits));
    }

    static constexpr size_t kBlocksMax = kBytesMax / 64 + 1;

    const ScanPath& scan_;
    const char* data_;
    size_t size_;
    size_t ready_;
    size_t classified_ = 0;
    size_t run_ = 2;
    uint64_t not_token_[kBlocksMax + 1];
    uint64_t control_[kBlocksMax + 1];
};

/// Searches word by word, without preparation.
class WordFinder {
  public:
    WordFinder(const char* data, size_t size) noexcept : data_(data), size_(size) {}

    [[nodiscard]] size_t not_token(size_t from) const noexcept {
        while (from < size_ && is_class(data_[from], kTokenChar)) ++from;
        return from;
    }
    [[nodiscard]] size_t colon(size_t from) const noexcept {
        return words::find(
            data_, from, size_, [](uint64_t w) { return words::equal(w, ':'); },
            [](char c) { return c == ':'; });
    }
    [[nodiscard]] size_t not_value(size_t from) const noexcept {
        auto in_byte = [](char c) { return !is_class(c, kValueChar); };
        for (;;) {
            while (size_ - from >= 16 &&
                   (words::maybe_control(words::load(data_ + from)) |
                    words::maybe_control(words::load(data_ + from + 8))) == 0) {
                from += 16;
            }
            size_t at = words::find(data_, from, size_, words::maybe_control, in_byte);
            if (at >= size_ || in_byte(data_[at])) return at;
            from = at + 1;
        }
    }

  private:
    const char* data_;
    size_t size_;
};

}  // namespace ringtime::http::detail
