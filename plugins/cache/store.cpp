#include "store.h"

#include <algorithm>

namespace cache {
namespace {

// What the containers take for an entry beside its text.
constexpr size_t kOverheadBytes = 512;

}  // namespace

size_t Stored::cost() const {
    size_t bytes = kOverheadBytes + body->capacity() + etag.size() + last_modified.size();
    for (const auto& [name, value] : fields) bytes += name.size() + value.size() + 64;
    for (const auto& [name, value] : vary) bytes += name.size() + value.size() + 64;
    return bytes;
}

void Store::drop(Part& part, std::unordered_map<std::string, Entry>::iterator at) {
    part.bytes -= at->second.bytes;
    part.order.erase(at->second.used);
    part.entries.erase(at);
}

void Store::put(const std::string& key, Kept response) {
    size_t cost = response->cost() + 2 * key.size();
    if (cost > part_bytes_max_) return;
    Part& part = part_of(key);
    std::vector<Kept> dropped;  // Freed after the lock: that may take long.
    std::lock_guard lock(part.mutex);
    auto [at, is_new] = part.entries.try_emplace(key);
    if (is_new) {
        part.order.push_front(key);
    } else {
        part.order.splice(part.order.begin(), part.order, at->second.used);
    }
    Entry& entry = at->second;
    entry.used = part.order.begin();
    auto take_out = [&](std::vector<Kept>::iterator old) {
        size_t freed = (*old)->cost() + 2 * key.size();
        entry.bytes -= freed;
        part.bytes -= freed;
        dropped.push_back(std::move(*old));
        entry.variants.erase(old);
    };
    auto same = std::find_if(entry.variants.begin(), entry.variants.end(),
                             [&](const Kept& old) { return old->vary == response->vary; });
    if (same != entry.variants.end()) take_out(same);
    if (entry.variants.size() >= kVariantsMost) take_out(std::prev(entry.variants.end()));
    entry.variants.insert(entry.variants.begin(), std::move(response));
    entry.bytes += cost;
    part.bytes += cost;
    while (part.bytes > part_bytes_max_ && part.order.size() > 1) {
        auto oldest = part.entries.find(part.order.back());
        for (Kept& variant : oldest->second.variants) dropped.push_back(std::move(variant));
        drop(part, oldest);
        ++part.evicted;
    }
    while (part.bytes > part_bytes_max_) take_out(std::prev(entry.variants.end()));
}

void Store::erase(const std::string& key) {
    Part& part = part_of(key);
    std::vector<Kept> dropped;
    std::lock_guard lock(part.mutex);
    auto at = part.entries.find(key);
    if (at == part.entries.end()) return;
    dropped.swap(at->second.variants);
    drop(part, at);
}

Store::Counts Store::counts() const {
    Counts out;
    for (const Part& part : parts_) {
        std::lock_guard lock(part.mutex);
        out.entries += part.entries.size();
        out.bytes += part.bytes;
        out.evicted += part.evicted;
    }
    return out;
}

}  // namespace cache
