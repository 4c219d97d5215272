#pragma once
// Words for messages: the closest one, for what was probably meant, and several in a row.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ringtime::config {

/// Longer words are never compared: no key is that long, and the cost stays bounded.
inline constexpr size_t compared_word_max = 48;

/// Letters inserted, removed, replaced or swapped with their neighbour to make `a` into `b`; a word
/// over `compared_word_max` is further than any other.
[[nodiscard]] size_t edit_distance(std::string_view a, std::string_view b) noexcept;

/// The known word nearest to `word`, at most 2 edits away and fewer than half its letters; the
/// first of equals. Empty when none is near.
[[nodiscard]] std::string_view closest_word(std::string_view word,
                                            std::span<const std::string_view> known) noexcept;

/// All of them with `between` in between.
template <typename Words>
[[nodiscard]] std::string joined(const Words& words, std::string_view between) {
    std::string text;
    std::string_view gap;
    for (std::string_view word : words) {
        text.append(gap).append(word);
        gap = between;
    }
    return text;
}

/// `a, b or c`.
[[nodiscard]] std::string join_choices(std::span<const std::string_view> words);

}  // namespace ringtime::config
