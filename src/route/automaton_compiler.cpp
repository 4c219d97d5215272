// Seeds -> positions -> subset construction over byte classes -> minimisation -> blob. Stars are
// greedy: a position in front of a star that is already active can add nothing and is dropped,
// which keeps sets small; what still multiplies (several `/**/x/**` at once) meets the caps.

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>

#include "base/assert.h"
#include "route/automaton.h"
#include "route/automaton_code.h"
#include "route/block.h"

namespace ringtime::route {
namespace {

using code::AcceptSet;
using code::Header;
using Position = uint16_t;
/// Sorted positions; a string so that it can be a key as it is.
using Set = std::u16string;

struct Positions {
    std::vector<Item> items;
    std::vector<uint16_t> member;
    /// Equal for positions of one pattern between which no `/` can be consumed.
    std::vector<uint32_t> segment;
    Set start;
};

struct Classes {
    std::array<uint8_t, 256> of{};
    std::vector<uint8_t> example;  ///< One byte of each class.
    unsigned slash = 0;
    unsigned other = 0;  ///< The class of bytes that no pattern names.
};

/// A table before it is minimised and packed; rows are states.
struct Table {
    unsigned classes = 0;
    std::vector<uint16_t> moves;
    std::vector<uint16_t> accepting;
    uint16_t start = 0;
    [[nodiscard]] size_t states() const noexcept { return accepting.size(); }
};

struct AcceptSets {
    std::vector<AcceptSet> sets;
    std::vector<Accept> accepts;
    std::map<std::vector<uint16_t>, uint16_t> index;
};

[[nodiscard]] Positions number_positions(std::span<const Seed> seeds) {
    Positions positions;
    uint32_t segment = 0;
    for (size_t member = 0; member < seeds.size(); ++member) {
        const Seed& seed = seeds[member];
        size_t base = positions.items.size();
        ++segment;
        for (size_t i = 0; i <= seed.items.size(); ++i) {
            Item what = i < seed.items.size() ? seed.items[i] : item::end;
            positions.items.push_back(what);
            positions.member.push_back(static_cast<uint16_t>(member));
            positions.segment.push_back(segment);
            if (what == '/' || what == item::deep) ++segment;
        }
        for (uint16_t start : seed.starts) {
            positions.start.push_back(static_cast<char16_t>(base + start));
        }
    }
    return positions;
}

/// Sorts, lets stars be skipped, drops what is dominated.
void normalise(const Positions& positions, Set& set) {
    size_t count = set.size();
    for (size_t i = 0; i < count; ++i) {
        Position at = set[i];
        if (is_star(positions.items[at])) set.push_back(static_cast<char16_t>(at + 1));
    }
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
    // From the last position of a pattern to its first: behind an active `**` lies all that an
    // earlier position could reach; behind an active `*`, all within the same segment.
    Set kept;
    uint32_t deep_member = UINT32_MAX;
    uint32_t run_segment = UINT32_MAX;
    for (size_t i = set.size(); i-- > 0;) {
        Position at = set[i];
        if (positions.member[at] == deep_member || positions.segment[at] == run_segment) continue;
        kept.push_back(at);
        if (positions.items[at] == item::deep) deep_member = positions.member[at];
        if (positions.items[at] == item::run) run_segment = positions.segment[at];
    }
    std::reverse(kept.begin(), kept.end());
    set = kept;
}

[[nodiscard]] Classes find_classes(const Positions& positions) {
    std::array<bool, 256> named{};
    for (Item what : positions.items) {
        if (is_literal(what)) named[what] = true;
        if ((what & item::hex_letter) != 0) {
            named[what & 0xff] = true;
            named[(what & 0xff) | 0x20] = true;
        }
    }
    named['/'] = true;
    Classes classes;
    classes.example.push_back(1);  // No pattern names a control character.
    for (unsigned byte = 0; byte < 256; ++byte) {
        if (!named[byte]) continue;
        classes.of[byte] = static_cast<uint8_t>(classes.example.size());
        if (byte == '/') classes.slash = static_cast<unsigned>(classes.example.size());
        classes.example.push_back(static_cast<uint8_t>(byte));
    }
    return classes;
}

class Subsets {
  public:
    Subsets(const Positions& positions, const Classes& classes, std::span<const Seed> seeds,
            AcceptSets& accepts, const AutomatonCaps& caps)
        : positions_(positions), classes_(classes), seeds_(seeds), accepts_(accepts), caps_(caps) {}

    /// False when a cap is reached.
    [[nodiscard]] bool run(Table& table) {
        table.classes = static_cast<unsigned>(classes_.example.size());
        Set start = positions_.start;
        normalise(positions_, start);
        table.start = state_of(start);
        for (size_t state = 0; state < sets_.size(); ++state) {
            if (sets_.size() > caps_.states ||
                sets_.size() * table.classes * sizeof(uint16_t) > caps_.bytes) {
                return false;
            }
            add_row(table, *sets_[state]);
        }
        return true;
    }

  private:
    [[nodiscard]] uint16_t state_of(const Set& set) {
        auto [entry, added] = states_.try_emplace(set, static_cast<uint16_t>(sets_.size()));
        if (added) sets_.push_back(&entry->first);
        return entry->second;
    }

    void add_row(Table& table, const Set& set) {
        size_t row = table.moves.size();
        table.moves.resize(row + table.classes);
        // Most classes are named by no position of this set: they all go where an unnamed byte
        // goes.
        uint16_t other = successor(set, 1);
        for (unsigned c = 0; c < table.classes; ++c) table.moves[row + c] = other;
        table.moves[row + classes_.slash] = successor(set, '/');
        for (Position at : set) {
            Item what = positions_.items[at];
            if (what >= item::one && what < item::hex_letter) continue;
            auto byte = static_cast<uint8_t>(what);
            table.moves[row + classes_.of[byte]] = successor(set, byte);
            if (what < item::hex_letter) continue;
            byte = static_cast<uint8_t>(byte | 0x20);
            table.moves[row + classes_.of[byte]] = successor(set, byte);
        }
        table.accepting.push_back(accept_set(set));
    }

    [[nodiscard]] uint16_t successor(const Set& set, uint8_t byte) {
        scratch_.clear();
        for (Position at : set) {
            Item what = positions_.items[at];
            if (!consumes(what, byte)) continue;
            scratch_.push_back(static_cast<char16_t>(is_star(what) ? at : at + 1));
        }
        normalise(positions_, scratch_);
        return state_of(scratch_);
    }

    /// The patterns that end here; a later one counts only for methods that no earlier one has.
    [[nodiscard]] uint16_t accept_set(const Set& set) {
        std::vector<uint16_t> members;
        uint16_t methods = 0;
        for (Position at : set) {
            if (positions_.items[at] != item::end) continue;
            uint16_t member = positions_.member[at];
            if ((seeds_[member].methods & ~methods) == 0) continue;
            methods = static_cast<uint16_t>(methods | seeds_[member].methods);
            members.push_back(member);
        }
        auto [entry, added] =
            accepts_.index.try_emplace(members, static_cast<uint16_t>(accepts_.sets.size()));
        if (!added) return entry->second;
        auto first = static_cast<uint16_t>(accepts_.accepts.size());
        accepts_.sets.push_back({first, static_cast<uint16_t>(members.size()), methods});
        uint16_t taken = 0;
        for (uint16_t member : members) {
            auto fresh = static_cast<uint16_t>(seeds_[member].methods & ~taken);
            accepts_.accepts.push_back({fresh, member});
            taken = static_cast<uint16_t>(taken | fresh);
        }
        return entry->second;
    }

    const Positions& positions_;
    const Classes& classes_;
    std::span<const Seed> seeds_;
    AcceptSets& accepts_;
    const AutomatonCaps& caps_;
    std::unordered_map<Set, uint16_t> states_;
    std::vector<const Set*> sets_;  ///< Keys of an unordered_map do not move.
    Set scratch_;
};

/// Moore: states fall apart until all of one block agree on where each class leads.
[[nodiscard]] Table minimise(const Table& table) {
    size_t states = table.states();
    std::vector<uint16_t> block = table.accepting;
    size_t blocks = 0;
    std::u16string signature;
    for (;;) {
        std::unordered_map<std::u16string, uint16_t> index;
        std::vector<uint16_t> next(states);
        for (size_t state = 0; state < states; ++state) {
            signature.assign(1, block[state]);
            for (unsigned c = 0; c < table.classes; ++c) {
                signature.push_back(block[table.moves[state * table.classes + c]]);
            }
            auto fresh = static_cast<uint16_t>(index.size());
            next[state] = index.try_emplace(signature, fresh).first->second;
        }
        block = std::move(next);
        if (index.size() == blocks) break;
        blocks = index.size();
    }
    Table small{table.classes, std::vector<uint16_t>(blocks * table.classes),
                std::vector<uint16_t>(blocks), block[table.start]};
    for (size_t state = 0; state < states; ++state) {
        small.accepting[block[state]] = table.accepting[state];
        for (unsigned c = 0; c < table.classes; ++c) {
            small.moves[block[state] * table.classes + c] =
                block[table.moves[state * table.classes + c]];
        }
    }
    return small;
}

/// Appends sections behind the header, each aligned to 8.
class BlobWriter {
  public:
    explicit BlobWriter(std::vector<uint64_t>& code) : code_(code), first_(code.size()) {
        (void)append(&header, sizeof header);
    }
    uint32_t append(const void* data, size_t size) {
        size_t offset = (code_.size() - first_) * sizeof(uint64_t);
        code_.resize(code_.size() + (size + 7) / 8);
        if (size != 0)
            std::memcpy(reinterpret_cast<char*>(code_.data() + first_) + offset, data, size);
        return static_cast<uint32_t>(offset);
    }
    template <typename T>
    uint32_t append(const std::vector<T>& items) {
        return append(items.data(), items.size() * sizeof(T));
    }
    /// What is appended next begins at a multiple of `words` of all the code.
    void align(size_t words) { code_.resize((code_.size() + words - 1) / words * words); }
    void finish() {
        header.bytes = static_cast<uint32_t>((code_.size() - first_) * sizeof(uint64_t));
        std::memcpy(code_.data() + first_, &header, sizeof header);
    }

    Header header;

  private:
    std::vector<uint64_t>& code_;
    size_t first_;
};

/// Absorbing states get the highest numbers, so that one compare ends a run early.
[[nodiscard]] std::vector<uint16_t> order_states(const Table& table, uint16_t& absorbing) {
    auto is_absorbing = [&table](size_t state) {
        const uint16_t* row = &table.moves[state * table.classes];
        return std::all_of(row, row + table.classes, [state](uint16_t to) { return to == state; });
    };
    std::vector<uint16_t> number(table.states());
    uint16_t next = 0;
    for (bool last : {false, true}) {
        if (last) absorbing = next;
        for (size_t state = 0; state < table.states(); ++state) {
            if (is_absorbing(state) == last) number[state] = next++;
        }
    }
    return number;
}

/// For each two classes in a row where each state goes; empty if that is too much.
[[nodiscard]] std::vector<uint16_t> make_pairs(const std::vector<uint16_t>& columns, size_t classes,
                                               size_t states) {
    std::vector<uint16_t> pairs;
    if (classes * classes * states * sizeof(uint16_t) > code::pairs_bytes_max) return pairs;
    for (size_t first = 0; first < classes; ++first) {
        for (size_t second = 0; second < classes; ++second) {
            for (size_t state = 0; state < states; ++state) {
                pairs.push_back(columns[second * states + columns[first * states + state]]);
            }
        }
    }
    return pairs;
}

/// Which classes the last two bytes of what `seeds` accept may have: the items are read backwards.
void find_ends(std::span<const Seed> seeds, const Classes& classes, Header& header) {
    for (const Seed& seed : seeds) {
        std::vector<bool> now(seed.items.size());
        // An item may be reached from behind, and with a star that before it.
        auto reach = [&seed](std::vector<bool>& set, size_t behind) {
            while (behind > 0) {
                set[--behind] = true;
                if (!is_star(seed.items[behind])) break;
            }
        };
        reach(now, seed.items.size());
        for (uint64_t& ends : header.ends) {
            std::vector<bool> before(seed.items.size());
            for (size_t i = 0; i < now.size(); ++i) {
                if (!now[i]) continue;
                for (unsigned c = 0; c < classes.example.size(); ++c) {
                    if (consumes(seed.items[i], classes.example[c])) ends |= code::end_bit(c);
                }
                reach(before, is_star(seed.items[i]) ? i + 1 : i);
            }
            now.swap(before);
        }
    }
}

void write_table(const Table& table, const Classes& classes, const AcceptSets& accepts,
                 std::span<const Seed> seeds, std::vector<uint64_t>& code) {
    BlobWriter blob(code);
    size_t states = table.states();
    std::vector<uint16_t> number = order_states(table, blob.header.absorbing);
    std::vector<uint16_t> columns(states * table.classes);
    std::vector<uint16_t> accepting(states);
    for (size_t state = 0; state < states; ++state) {
        accepting[number[state]] = table.accepting[state];
        for (unsigned c = 0; c < table.classes; ++c) {
            columns[c * states + number[state]] = number[table.moves[state * table.classes + c]];
        }
    }
    blob.header.kind = AutomatonKind::table;
    blob.header.states = static_cast<uint16_t>(states);
    blob.header.classes = static_cast<uint16_t>(table.classes);
    blob.header.start = number[table.start];
    find_ends(seeds, classes, blob.header);
    (void)blob.append(classes.of.data(), classes.of.size());
    blob.header.moves = blob.append(columns);
    std::vector<uint16_t> pairs = make_pairs(columns, table.classes, states);
    if (!pairs.empty()) blob.header.pairs = blob.append(pairs);
    blob.header.accepting = blob.append(accepting);
    blob.header.sets = blob.append(accepts.sets);
    blob.header.accepts = blob.append(accepts.accepts);
    blob.finish();
}

/// A bit for each position that is no star, such that no pattern lies across two words; empty if
/// that is too much. A star needs none: it is active exactly as long as what is behind it is, for
/// it may be skipped when it is reached, and nothing else leads there. Its own place holds the bit
/// of what is behind it.
[[nodiscard]] std::vector<uint16_t> place_positions(const Positions& positions) {
    std::vector<uint16_t> bits;
    size_t next = 0;
    for (size_t first = 0; first < positions.items.size();) {
        size_t last = first;
        size_t size = 0;
        for (; last < positions.items.size() && positions.member[last] == positions.member[first];
             ++last) {
            if (!is_star(positions.items[last])) ++size;
        }
        if (next % 64 + size > 64) next = (next + 63) / 64 * 64;
        if (size > 64 || next + size > positions_max) return {};
        for (; first < last; ++first) {
            bits.push_back(static_cast<uint16_t>(next));
            if (!is_star(positions.items[first])) ++next;
        }
    }
    return bits;
}

void write_positions(const Positions& positions, const std::vector<uint16_t>& bits,
                     const Classes& classes, std::span<const Seed> seeds,
                     std::vector<uint64_t>& code) {
    constexpr size_t words = code::position_words;
    BlobWriter blob(code);
    std::vector<uint64_t> moves(classes.example.size() * code::move_words);
    std::vector<uint64_t> rows(code::row_count * words);
    std::vector<uint16_t> members(positions_max);
    auto set = [](std::vector<uint64_t>& sets, size_t row, size_t bit) {
        sets[row * words + bit / 64] |= uint64_t{1} << (bit % 64);
    };
    for (size_t at = 0; at < bits.size(); ++at) {
        Item what = positions.items[at];
        members[bits[at]] = positions.member[at];
        if (what == item::end) set(rows, code::row_ends, bits[at]);
        for (size_t c = 0; c < classes.example.size(); ++c) {
            if (consumes(what, classes.example[c])) set(moves, 2 * c + is_star(what), bits[at]);
        }
    }
    Set start = positions.start;
    normalise(positions, start);
    for (Position at : start) set(rows, code::row_start, bits[at]);
    std::vector<uint16_t> methods;
    for (const Seed& seed : seeds) methods.push_back(seed.methods);
    blob.header.kind = AutomatonKind::positions;
    blob.header.states = static_cast<uint16_t>(bits.back() + 1);
    find_ends(seeds, classes, blob.header);
    blob.header.classes = static_cast<uint16_t>(classes.example.size());
    (void)blob.append(classes.of.data(), classes.of.size());
    // The moves of a class are a cache line, and the code is placed at one: no load reads two.
    static_assert(code::move_words * sizeof(uint64_t) == Block::alignment);
    blob.align(code::move_words);
    blob.header.moves = blob.append(moves);
    blob.header.accepting = blob.append(rows);
    blob.header.sets = blob.append(members);
    blob.header.accepts = blob.append(methods);
    blob.finish();
}

}  // namespace

AutomatonKind compile_automaton(std::span<const Seed> seeds, std::vector<uint64_t>& code,
                                std::vector<bool>& reported, const AutomatonCaps& caps) {
    ASSERT(caps.states <= automaton_states_max && caps.positions <= positions_max);
    reported.assign(seeds.size(), true);
    if (seeds.size() > patterns_per_point_max) return AutomatonKind::refused;
    Positions positions = number_positions(seeds);
    if (positions.items.size() > UINT16_MAX) return AutomatonKind::refused;
    Classes classes = find_classes(positions);
    AcceptSets accepts;
    Table table;
    if (Subsets(positions, classes, seeds, accepts, caps).run(table)) {
        write_table(minimise(table), classes, accepts, seeds, code);
        reported.assign(seeds.size(), false);
        for (const Accept& accept : accepts.accepts) reported[accept.member] = true;
        return AutomatonKind::table;
    }
    std::vector<uint16_t> bits = place_positions(positions);
    if (bits.empty() || bits.back() >= caps.positions) return AutomatonKind::refused;
    write_positions(positions, bits, classes, seeds, code);
    return AutomatonKind::positions;
}

}  // namespace ringtime::route
