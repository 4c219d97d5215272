#include "route/shortcuts.h"

namespace ringtime::route {

std::vector<Bucket> build_shortcuts(std::span<const Shortcut> keys) {
    constexpr size_t filled = Bucket::size / 2;
    std::vector<Bucket> buckets((keys.size() + filled - 1) / filled);
    for (const Shortcut& key : keys) {
        Bucket& bucket = buckets[bucket_of(key.hash, buckets.size())];
        for (size_t i = 0; i < Bucket::size; ++i) {
            if (bucket.tags[i] != 0) continue;
            bucket.tags[i] = tag_of(key.hash);
            bucket.values[i] = key.value;
            break;
        }
    }
    return buckets;
}

}  // namespace ringtime::route
