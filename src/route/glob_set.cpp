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
[[nodiscard]] Alive advance(std::span<const Item> items, const Alive& alive, std::string_view text) {
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
        compiled.kind = compile_automaton(seeds, code, compiled.reported);
    }
    return compiled;
}

uint32_t GlobCompiler::add_set(std::span<const GlobPattern> patterns, std::vector<uint32_t>& refused,
                               std::vector<uint32_t>& covered) {
    std::vector<Key> keys;
    std::unordered_map<std::string, size_t> index;
    for (size_t i = 0; i < patterns.size(); ++i) {
        std::vector<Item> items(patterns[i].items.begin(), patterns[i].items.end());
        std::string prefix = literal_prefix(items);
        auto start = static_cast<uint16_t>(prefix.size());
        auto [entry, added] = index.try_emplace(prefix, keys.size());
        if (added) keys.push_back({std::move(prefix), {}});
        keys[entry->second].alive.push_back({static_cast<uint32_t>(i), {start}});
    }
    // Shorter keys first: what is alive at the nearest one above comes down once it is complete.
    std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
        return a.text.size() != b.text.size() ? a.text.size() < b.text.size() : a.text < b.text;
    });
    for (size_t i = 0; i < keys.size(); ++i) index[keys[i].text] = i;
    std::vector<bool> reported(patterns.size(), false);
    std::vector<RadixKey> radix;
    for (Key& key : keys) {
        for (size_t cut = key.text.rfind('/'); cut != std::string::npos;
             cut = cut == 0 ? std::string::npos : key.text.rfind('/', cut - 1)) {
            auto above = index.find(key.text.substr(0, cut));
            if (above == index.end()) continue;
            for (const Alive& alive : keys[above->second].alive) {
                Alive here = advance(patterns[alive.pattern].items, alive,
                                     std::string_view(key.text).substr(cut));
                if (!here.starts.empty()) key.alive.push_back(std::move(here));
            }
            break;
        }
        std::sort(key.alive.begin(), key.alive.end(),
                  [](const Alive& a, const Alive& b) { return a.pattern < b.pattern; });
        std::vector<Seed> seeds;
        for (const Alive& alive : key.alive) {
            const GlobPattern& pattern = patterns[alive.pattern];
            // Items before the first start are behind us and take no part.
            uint16_t from = alive.starts.front();
            Seed seed{pattern.items.subspan(from), alive.starts, pattern.methods};
            for (uint16_t& start : seed.starts) start = static_cast<uint16_t>(start - from);
            seeds.push_back(std::move(seed));
        }
        const Compiled& compiled = compile(seeds);
        if (compiled.kind == AutomatonKind::refused) {
            for (const Alive& alive : key.alive) refused.push_back(patterns[alive.pattern].payload);
            continue;
        }
        radix.push_back({key.text, static_cast<uint32_t>(points.size())});
        points.push_back({compiled.code, static_cast<uint32_t>(members.size())});
        for (size_t i = 0; i < key.alive.size(); ++i) {
            members.push_back(patterns[key.alive[i].pattern].payload);
            if (compiled.reported[i]) reported[key.alive[i].pattern] = true;
        }
    }
    std::sort(radix.begin(), radix.end(),
              [](const RadixKey& a, const RadixKey& b) { return a.text < b.text; });
    uint32_t root = build_radix(nodes, radix);
    for (size_t i = 0; i < patterns.size(); ++i) {
        if (!reported[i] && refused.empty()) covered.push_back(patterns[i].payload);
    }
    return root;
}

}  // namespace ringtime::route
