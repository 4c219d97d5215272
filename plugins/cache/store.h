#pragma once
// The responses that are kept, by target and by what Vary names. Bounded in bytes; what was not
// used for longest goes first. Shared by all cores: a lock of one of 16 parts is held while a map
// is searched, never while bytes are copied. A response is immutable and lives while somebody
// sends it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cache {

struct Stored {
    uint16_t status = 0;
    std::vector<std::pair<std::string, std::string>> fields;
    std::shared_ptr<const std::string> body;
    std::string etag;
    std::string last_modified;
    /// The fields that Vary names and what the request said in them.
    std::vector<std::pair<std::string, std::string>> vary;
    uint64_t age_at_first = 0;  ///< Seconds it was old when it came.
    uint64_t stored_ns = 0;     ///< Monotonic.
    uint64_t lifetime_s = 0;

    [[nodiscard]] uint64_t age_s(uint64_t now_ns) const {
        return age_at_first + (now_ns - stored_ns) / 1'000'000'000;
    }
    [[nodiscard]] size_t cost() const;
};
using Kept = std::shared_ptr<const Stored>;

class Store {
 public:
    static constexpr size_t kParts = 16;
    /// Of one target. More of them replace the oldest.
    static constexpr size_t kVariantsMost = 8;

    explicit Store(size_t bytes_max) : part_bytes_max_(bytes_max / kParts) {}

    /// The variant for which `says(name)` is what is kept beside it; null: there is none.
    template <typename Says>
    [[nodiscard]] Kept find(const std::string& key, Says says) {
        Part& part = part_of(key);
        std::lock_guard lock(part.mutex);
        auto at = part.entries.find(key);
        if (at == part.entries.end()) return nullptr;
        part.order.splice(part.order.begin(), part.order, at->second.used);
        for (const Kept& variant : at->second.variants) {
            bool same = true;
            for (const auto& [name, value] : variant->vary) same = same && says(name) == value;
            if (same) return variant;
        }
        return nullptr;
    }
    /// Takes the place of the variant that answers the same requests.
    void put(const std::string& key, Kept response);
    void erase(const std::string& key);

    struct Counts {
        size_t entries = 0;
        size_t bytes = 0;
        uint64_t evicted = 0;
    };
    [[nodiscard]] Counts counts() const;

 private:
    struct Entry {
        std::vector<Kept> variants;
        size_t bytes = 0;
        std::list<std::string>::iterator used;
    };
    struct Part {
        mutable std::mutex mutex;
        std::unordered_map<std::string, Entry> entries;
        std::list<std::string> order;  ///< Used last first.
        size_t bytes = 0;
        uint64_t evicted = 0;
    };
    [[nodiscard]] Part& part_of(const std::string& key) {
        return parts_[std::hash<std::string>()(key) % kParts];
    }
    static void drop(Part& part, std::unordered_map<std::string, Entry>::iterator at);

    size_t part_bytes_max_;
    std::array<Part, kParts> parts_;
};

}  // namespace cache
