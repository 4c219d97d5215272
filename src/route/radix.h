#pragma once
// A byte-wise path-compressed radix tree in one array: a node is a cache line, the children of a node
// stand side by side and are found by counting bits, so one step touches one line. Keys are ASCII
// (bases, hosts read backwards, literal prefixes of globs), which is why 128 bits name all children.
// Built once from sorted keys, then immutable.

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace ringtime::route {

inline constexpr uint32_t none = UINT32_MAX;

struct alignas(64) Node {
    static constexpr size_t label_max = 36;

    uint64_t children[2] = {0, 0};  ///< Bit b: there is a child whose edge begins with byte b.
    uint32_t first_child = 0;
    uint32_t value = none;          ///< What the owner of the tree stored for the key that ends here.
    uint8_t label_size = 0;         ///< Bytes of the edge behind its first one.
    uint8_t low_children = 0;       ///< Children whose byte is below 64.
    uint8_t unused[2] = {0, 0};
    char label[label_max] = {};

    /// Index of the child for `byte`, or none.
    [[nodiscard]] uint32_t child(uint8_t byte) const noexcept {
        if (byte >= 128) return none;
        uint64_t word = children[byte >> 6];
        uint64_t bit = uint64_t{1} << (byte & 63);
        if ((word & bit) == 0) return none;
        auto below = static_cast<uint32_t>(std::popcount(word & (bit - 1)));
        return first_child + (byte >= 64 ? low_children : 0U) + below;
    }
};
static_assert(sizeof(Node) == 64, "a step touches one cache line");

/// memcmp for the short labels of a node, without the call.
[[nodiscard]] inline bool equal_bytes(const char* a, const char* b, size_t size) noexcept {
    auto word = [](const char* p) noexcept {
        uint64_t value;
        std::memcpy(&value, p, 8);
        return value;
    };
    auto half = [](const char* p) noexcept {
        uint32_t value;
        std::memcpy(&value, p, 4);
        return value;
    };
    if (size >= 8) {
        size_t i = 0;
        for (; i + 8 < size; i += 8) {
            if (word(a + i) != word(b + i)) return false;
        }
        return word(a + size - 8) == word(b + size - 8);
    }
    if (size >= 4) return half(a) == half(b) && half(a + size - 4) == half(b + size - 4);
    for (size_t i = 0; i < size; ++i) {
        if (a[i] != b[i]) return false;
    }
    return true;
}

/// Follows `text` from `root` as far as it leads. `visit(node, position)` is called at each node that
/// was reached, with the bytes consumed so far.
template <typename Visit>
inline void walk(const Node* nodes, uint32_t root, std::string_view text, Visit&& visit) noexcept {
    const Node* node = nodes + root;
    size_t position = 0;
    for (;;) {
        visit(*node, position);
        if (position == text.size()) return;
        uint32_t next = node->child(static_cast<uint8_t>(text[position]));
        if (next == none) return;
        node = nodes + next;
        ++position;
        size_t size = node->label_size;
        if (text.size() - position < size) return;
        if (!equal_bytes(node->label, text.data() + position, size)) return;
        position += size;
    }
}

/// Whether a key that ends at `position` ends at a segment boundary of `path`.
[[nodiscard]] inline bool at_boundary(std::string_view path, size_t position) noexcept {
    return position == path.size() || path[position] == '/';
}

struct RadixKey {
    std::string_view text;
    uint32_t value = none;
};

/// Appends the tree of `keys` (sorted by unsigned bytes, distinct, all ASCII) to `nodes`.
/// Returns the index of its root. Linear in the bytes of the keys.
[[nodiscard]] uint32_t build_radix(std::vector<Node>& nodes, std::span<const RadixKey> keys);

}  // namespace ringtime::route
