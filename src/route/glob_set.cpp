#include "route/glob_set.h"

#include <algorithm>

namespace ringtime::route {
namespace {

/// A pattern that is alive at a key, and where in its items.
struct Alive {
    uint32_t pattern = 0;
    std::vector<uint16_t> starts;
};

/// Where `alive` stands after `text`.
[[nodiscard]] Alive advance(std::span<const Item> items, const Alive& alive,
                            std::string_view text) {
    std::vector<bool> now(items.size() + 1);
    auto close = [&items](std::vector<bool>& set) {
        for (size_t i = 0; i < items.size(); ++i) {
            if (set[i] && is_star(items[i])) set[i + 1] = true;
        }
    };
    for (uint16_t start : alive.starts) now[start] = true;
    for (char c : text) {
        close(now);
        std::vector<bool> next(items.size() + 1);
        for (size_t i = 0; i < items.size(); ++i) {
            if (!now[i] || !consumes(items[i], static_cast<uint8_t>(c))) continue;
            next[is_star(items[i]) ? i : i + 1] = true;
        }
        now.swap(next);
    }
    Alive after{alive.pattern, {}};
    for (size_t i = 0; i <= items.size(); ++i) {
        if (now[i]) after.starts.push_back(static_cast<uint16_t>(i));
    }
    return after;
}

[[nodiscard]] Seed to_seed(const GlobPattern& pattern, const Alive& alive) {
    // Items before the first start are behind us and take no part.
    uint16_t from = alive.starts.front();
    Seed seed{pattern.items.subspan(from), alive.starts, pattern.methods};
    for (uint16_t& start : seed.starts) start = static_cast<uint16_t>(start - from);
    return seed;
}

}  // namespace

/// A literal prefix and the patterns alive behind it.
struct GlobCompiler::Key {
    std::string text;
    std::vector<Alive> alive;
};

const GlobCompiler::Compiled& GlobCompiler::compile(std::span<const Seed> seeds) {
    std::u16string key;
    for (const Seed& seed : seeds) {
        key.push_back(seed.methods);
        key.push_back(static_cast<char16_t>(seed.starts.size()));
        for (uint16_t start : seed.starts) key.push_back(static_cast<char16_t>(start));
        for (Item what : seed.items) key.push_back(what);
        key.push_back(item::end);
    }
    auto [entry, added] = compiled_.try_emplace(std::move(key));
    if (!added) return entry->second;
    Compiled& compiled = entry->second;
    compiled.code = static_cast<uint32_t>(code.size());
    if (code.size() * sizeof(uint64_t) >= automata_bytes_max) {
        compiled.reported.assign(seeds.size(), true);
    } else {
        compiled.kind = compile_automaton(seeds, code, compiled.reported, caps_);
    }
    return compiled;
}

/// What is alive at the nearest key above `key` comes down as far as it survives the bytes between.
void GlobCompiler::inherit(std::span<const GlobPattern> patterns, const Key& above,
                           Key& key) const {
    std::string_view between = std::string_view(key.text).substr(above.text.size());
    for (const Alive& alive : above.alive) {
        Alive here = advance(patterns[alive.pattern].items, alive, between);
        if (!here.starts.empty()) key.alive.push_back(std::move(here));
    }
    std::sort(key.alive.begin(), key.alive.end(),
              [](const Alive& a, const Alive& b) { return a.pattern < b.pattern; });
}

GlobSet GlobCompiler::compile_set(std::span<const GlobPattern> patterns) {
    GlobSet set;
    std::unordered_map<std::string, Key> index;
    for (size_t i = 0; i < patterns.size(); ++i) {
        std::string prefix = literal_prefix(patterns[i].items);
        Key& key = index.try_emplace(prefix, Key{prefix, {}}).first->second;
        key.alive.push_back({static_cast<uint32_t>(i), {static_cast<uint16_t>(prefix.size())}});
    }
    // Shorter keys first: a key is complete before another inherits from it.
    std::vector<Key*> keys;
    for (auto& [prefix, key] : index) keys.push_back(&key);
    std::sort(keys.begin(), keys.end(), [](const Key* a, const Key* b) {
        return a->text.size() != b->text.size() ? a->text.size() < b->text.size()
                                                : a->text < b->text;
    });
    std::vector<bool> reported(patterns.size(), false);
    for (Key* key : keys) {
        for (size_t cut = key->text.rfind('/'); cut != std::string::npos;
             cut = cut == 0 ? std::string::npos : key->text.rfind('/', cut - 1)) {
            auto above = index.find(key->text.substr(0, cut));
            if (above == index.end()) continue;
            inherit(patterns, above->second, *key);
            break;
        }
        std::vector<Seed> seeds;
        for (const Alive& alive : key->alive)
            seeds.push_back(to_seed(patterns[alive.pattern], alive));
        const Compiled& compiled = compile(seeds);
        if (compiled.kind == AutomatonKind::refused) {
            for (const Alive& alive : key->alive)
                set.refused.push_back(patterns[alive.pattern].payload);
            return set;
        }
        set.points.emplace(key->text, static_cast<uint32_t>(points.size()));
        points.push_back({compiled.code, static_cast<uint32_t>(members.size()),
                          static_cast<uint32_t>(key->text.size())});
        for (size_t i = 0; i < key->alive.size(); ++i) {
            members.push_back(patterns[key->alive[i].pattern].payload);
            if (compiled.reported[i]) reported[key->alive[i].pattern] = true;
        }
    }
    for (size_t i = 0; i < patterns.size(); ++i) {
        if (!reported[i]) set.covered.push_back(patterns[i].payload);
    }
    return set;
}

uint32_t GlobCompiler::add_tree(const GlobSet& set) {
    std::vector<RadixKey> keys;
    for (const auto& [prefix, point] : set.points) keys.push_back({prefix, none, point});
    return radix.add(keys);
}

}  // namespace ringtime::route
