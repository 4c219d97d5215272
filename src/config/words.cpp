#include "config/words.h"

#include <algorithm>
#include <array>

namespace ringtime::config {

size_t edit_distance(std::string_view a, std::string_view b) noexcept {
    if (a.size() > compared_word_max || b.size() > compared_word_max) return compared_word_max + 1;
    // Three rows of the table: a swap of neighbours looks two rows back.
    using Row = std::array<size_t, compared_word_max + 1>;
    Row before{}, previous{}, current{};
    for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({replaced, previous[j] + 1, current[j - 1] + 1});
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
        }
        before = previous;
        previous = current;
    }
    return previous[b.size()];
}

std::string_view closest_word(std::string_view word,
                              std::span<const std::string_view> known) noexcept {
    std::string_view best;
    size_t best_distance = 3;
    for (std::string_view candidate : known) {
        size_t longer = std::max(candidate.size(), word.size());
        size_t shorter = std::min(candidate.size(), word.size());
        if (longer - shorter >= best_distance) continue;
        size_t distance = edit_distance(word, candidate);
        if (distance < best_distance && distance * 2 < longer) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string join_choices(std::span<const std::string_view> words) {
    std::string out;
    for (size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

}  // namespace ringtime::config
