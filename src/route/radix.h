#pragma once
// A byte-wise path-compressed radix tree in one array: two nodes are a cache line, the children of
// a node stand side by side and are found by counting bits, and labels stand in a text beside them.
// Keys are printable ASCII (bases, hosts read backwards, literal prefixes of globs), which is why
// 96 bits name all children. Built once from sorted keys, then immutable.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "route/wide.h"

namespace ringtime::route {

inline constexpr uint32_t none = UINT32_MAX;

struct alignas(32) Node {
    static constexpr size_t label_max = 32;
    static constexpr uint8_t first_byte = 0x20;  ///< Of those a key may hold.
    static constexpr uint8_t last_byte = 0x7f;

    uint64_t low_children = 0;   ///< Bit b: there is a child whose edge begins with 0x20 + b.
    uint32_t high_children = 0;  ///< The same from 0x60 on.
    uint32_t first_child = 0;
    uint32_t value = none;  ///< What the owner of the tree stored for the key that ends here.
    uint32_t point = none;  ///< Where the globs go on whose literal prefix ends here.
    uint32_t label = 0;     ///< Where the bytes of the edge behind its first one stand.
    uint8_t label_size = 0;
    uint8_t unused[3] = {};

    [[nodiscard]] bool has_children() const noexcept { return (low_children | high_children) != 0; }

    /// Index of the child for `byte`, or none.
    [[nodiscard]] uint32_t child(uint8_t byte) const noexcept {
        unsigned bit = byte - unsigned{first_byte};
        if (bit > last_byte - first_byte) return none;
        // Shifting the bit of `byte` to the top leaves it and those below it: their count is the
        // child's rank plus one. Both words are at hand, so choosing one costs no load.
        uint64_t word = bit < 64 ? low_children : high_children;
        unsigned before = bit < 64 ? 0U : static_cast<unsigned>(std::popcount(low_children));
        uint64_t upto = word << (63 - (bit & 63));
        if ((upto >> 63) == 0) return none;
        return first_child + before + static_cast<uint32_t>(std::popcount(upto)) - 1;
    }
};
static_assert(sizeof(Node) == 32, "two to a cache line");

/// Trees, wherever they are stored. Behind the last label Node::label_max bytes can be read.
struct RadixView {
    std::span<const Node> nodes;
    std::span<const char> labels;

    [[nodiscard]] std::string_view label(const Node& node) const noexcept {
        return {labels.data() + node.label, node.label_size};
    }
};

/// Whether `text`, of which `left` bytes are ours as is the one in front of it, begins with
/// `label`.
[[nodiscard]] inline bool takes_label(std::string_view label, const char* text,
                                      size_t left) noexcept {
    if (left < label.size()) return false;
#ifdef RINGTIME_WIDE_READS
    // Label sizes are random to the branch predictor, so all 32 bytes are compared and the surplus
    // is masked: it decides nothing. Of a text that ends here no byte can be read, only the last.
    if (may_read_wide<Node::label_max + 1>(text - 1)) [[likely]] {
        uint64_t wanted = (uint64_t{1} << label.size()) - 1;
        return (equal_bytes<Node::label_max>(label.data(), text) & wanted) == wanted;
    }
#endif
    return std::memcmp(label.data(), text, label.size()) == 0;
}

/// Follows `text` as far as it leads, from the node `from` that stands behind its first `position`
/// bytes. `visit(node, position)` is called at each node that was reached, with the bytes consumed
/// so far.
template <typename Visit>
inline void walk(const RadixView& view, uint32_t from, size_t position, std::string_view text,
                 Visit&& visit) noexcept {
    const Node* node = view.nodes.data() + from;
    for (;;) {
        visit(*node, position);
        if (position == text.size()) return;
        uint32_t next = node->child(static_cast<uint8_t>(text[position]));
        if (next == none) return;
        node = view.nodes.data() + next;
        ++position;
        if (!takes_label(view.label(*node), text.data() + position, text.size() - position)) return;
        position += node->label_size;
    }
}

/// Whether a key that ends at `position` ends at a segment boundary of `path`.
[[nodiscard]] inline bool at_boundary(std::string_view path, size_t position) noexcept {
    return position == path.size() || path[position] == '/';
}

struct RadixKey {
    std::string_view text;
    uint32_t value = none;
    uint32_t point = none;
};

/// Trees while they are built.
struct RadixStore {
    std::vector<Node> nodes;
    std::vector<char> labels;

    /// Adds the tree of `keys` (sorted by unsigned bytes, distinct, of the bytes a Node knows).
    /// Returns the index of its root. Linear in the bytes of the keys.
    [[nodiscard]] uint32_t add(std::span<const RadixKey> keys);
    [[nodiscard]] RadixView view() const noexcept { return {nodes, labels}; }
};

}  // namespace ringtime::route
