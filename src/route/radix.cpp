#include "route/radix.h"

#include <algorithm>

#include "base/assert.h"

namespace ringtime::route {
namespace {

/// A node whose keys are known but whose label and children are not yet.
struct Task {
    uint32_t node = 0;
    size_t first = 0;
    size_t last = 0;   ///< Behind the last key.
    size_t depth = 0;  ///< Bytes consumed on the way to the node, its first byte included.
};

[[nodiscard]] size_t common_size(std::string_view a, std::string_view b, size_t from) noexcept {
    size_t size = std::min(a.size(), b.size());
    size_t i = from;
    while (i < size && a[i] == b[i]) ++i;
    return i - from;
}

void set_label(RadixStore& store, std::span<const RadixKey> keys, Task& task) {
    // The keys are sorted, so what the first and the last share, all share.
    std::string_view first = keys[task.first].text;
    size_t common = common_size(first, keys[task.last - 1].text, task.depth);
    common = std::min(common, Node::label_max);
    Node& node = store.nodes[task.node];
    node.label = static_cast<uint32_t>(store.labels.size());
    node.label_size = static_cast<uint8_t>(common);
    std::string_view label = first.substr(task.depth, common);
    store.labels.insert(store.labels.end(), label.begin(), label.end());
    task.depth += common;
}

/// Allots the children side by side; they are filled later.
void add_children(std::vector<Node>& nodes, std::span<const RadixKey> keys, const Task& task,
                  std::vector<Task>& tasks) {
    auto first_child = static_cast<uint32_t>(nodes.size());
    uint32_t count = 0;
    for (size_t i = task.first; i < task.last; ++count) {
        auto byte = static_cast<uint8_t>(keys[i].text[task.depth]);
        ASSERT(byte >= Node::first_byte && byte <= Node::last_byte);
        size_t end = i;
        while (end < task.last && static_cast<uint8_t>(keys[end].text[task.depth]) == byte) ++end;
        Node& node = nodes[task.node];
        unsigned bit = byte - unsigned{Node::first_byte};
        if (bit < 64) {
            node.low_children |= uint64_t{1} << bit;
        } else {
            node.high_children |= 1U << (bit - 64);
        }
        tasks.push_back({first_child + count, i, end, task.depth + 1});
        i = end;
    }
    nodes[task.node].first_child = first_child;
    nodes.resize(nodes.size() + count);
}

}  // namespace

uint32_t RadixStore::add(std::span<const RadixKey> keys) {
    if (!labels.empty()) labels.resize(labels.size() - Node::label_max);
    auto root = static_cast<uint32_t>(nodes.size());
    nodes.emplace_back();
    std::vector<Task> tasks{{root, 0, keys.size(), 0}};
    while (!tasks.empty()) {
        Task task = tasks.back();
        tasks.pop_back();
        if (task.first == task.last) continue;
        // The root consumes nothing: a walk starts with a visit there.
        if (task.node != root) set_label(*this, keys, task);
        if (keys[task.first].text.size() == task.depth) {
            nodes[task.node].value = keys[task.first].value;
            nodes[task.node].point = keys[task.first].point;
            ++task.first;
        }
        if (task.first != task.last) add_children(nodes, keys, task, tasks);
    }
    labels.resize(labels.size() + Node::label_max);
    return root;
}

}  // namespace ringtime::route
