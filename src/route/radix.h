#pragma once
// A byte-wise path-compressed radix tree in one array: a node is a cache line, the children of a
// node stand side by side and are found by counting bits, so one step touches one line. Keys are
// ASCII (bases, hosts read backwards, literal prefixes of globs), which is why 128 bits name all
// children. Built once from sorted keys, then immutable.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#if defined(__has_feature)
#define RINGTIME_HAS_ASAN __has_feature(address_sanitizer)
#else
#define RINGTIME_HAS_ASAN 0
#endif

namespace ringtime::route {

inline constexpr uint32_t none = UINT32_MAX;

struct alignas(64) Node {
    static constexpr size_t label_max = 32;

    uint64_t children[2] = {0, 0};  ///< Bit b: there is a child whose edge begins with byte b.
    uint32_t first_child = 0;
    uint32_t value = none;  ///< What the owner of the tree stored for the key that ends here.
    uint32_t point = none;          ///< Where the globs go on whose literal prefix ends here.
    uint8_t label_size = 0;         ///< Bytes of the edge behind its first one.
    uint8_t low_children = 0;       ///< Children whose byte is below 64.
    uint8_t unused[2] = {};
    char label[label_max] = {};

    /// Index of the child for `byte`, or none.
    [[nodiscard]] uint32_t child(uint8_t byte) const noexcept {
        if (byte >= 128) return none;
        // Shifting the bit of `byte` to the top leaves it and those below it: their count is the
        // child's rank plus one. Both words are at hand, so choosing one costs no load.
        uint64_t word = byte < 64 ? children[0] : children[1];
        uint32_t before = byte < 64 ? 0U : low_children;
        uint64_t upto = word << (63 - (byte & 63));
        if ((upto >> 63) == 0) return none;
        return first_child + before + static_cast<uint32_t>(std::popcount(upto)) - 1;
    }
};
static_assert(sizeof(Node) == 64, "a step touches one cache line");
static_assert(offsetof(Node, label) == 32, "labels are compared in aligned halves");

#if defined(__SSE2__) && !defined(__SANITIZE_ADDRESS__) && !RINGTIME_HAS_ASAN
#define RINGTIME_WIDE_LABELS 1
#endif

/// Whether `text`, of which `left` bytes are ours, begins with the label of `node`.
[[nodiscard]] inline bool takes_label(const Node& node, const char* text, size_t left) noexcept {
    size_t size = node.label_size;
    if (left < size) return false;
#ifdef RINGTIME_WIDE_LABELS
    // Label sizes are random to the branch predictor, so all 32 bytes are compared and the surplus
    // is masked. That reads behind the text, but never behind the page its first byte is on; and
    // the surplus decides nothing.
    static constexpr uintptr_t page = 4096;
    if ((reinterpret_cast<uintptr_t>(text) & (page - 1)) <= page - Node::label_max) [[likely]] {
        auto half = [&node, text](size_t at) noexcept {
            __m128i theirs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at));
            __m128i ours = _mm_load_si128(reinterpret_cast<const __m128i*>(node.label + at));
            return static_cast<uint64_t>(
                static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(theirs, ours))));
        };
        uint64_t wanted = (uint64_t{1} << size) - 1;
        return ((half(0) | half(16) << 16) & wanted) == wanted;
    }
#endif
    return std::memcmp(node.label, text, size) == 0;
}

/// Follows `text` from `root` as far as it leads. `visit(node, position)` is called at each node
/// that was reached, with the bytes consumed so far.
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
        if (!takes_label(*node, text.data() + position, text.size() - position)) return;
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

/// Appends the tree of `keys` (sorted by unsigned bytes, distinct, all ASCII) to `nodes`.
/// Returns the index of its root. Linear in the bytes of the keys.
[[nodiscard]] uint32_t build_radix(std::vector<Node>& nodes, std::span<const RadixKey> keys);

}  // namespace ringtime::route
