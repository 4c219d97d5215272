#include "route/automaton.h"

#include <bit>

#include "route/automaton_code.h"

namespace ringtime::route {
namespace {

using code::AcceptSet;
using code::Header;

template <typename T>
[[nodiscard]] const T* section(const Header* header, uint32_t offset) noexcept {
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(header) + offset);
}

/// The table form while it runs. The moves are stored class by class: the address of a column does
/// not depend on the state, so the chain of dependences is one load per byte.
class TableRun {
 public:
    explicit TableRun(const Header* header) noexcept
        : header_(header),
          classes_(section<uint8_t>(header, code::classes_offset)),
          moves_(section<uint16_t>(header, header->moves)),
          pairs_(header->pairs == 0 ? nullptr : section<uint16_t>(header, header->pairs)),
          classes_count_(header->classes),
          states_(header->states),
          absorbing_(header->absorbing),
          state_(header->start) {}

    [[nodiscard]] bool settled() const noexcept { return state_ >= absorbing_; }
    void step(char c) noexcept {
        state_ = moves_[classes_[static_cast<uint8_t>(c)] * states_ + state_];
    }
    /// Two bytes at once, where the table for that is small enough to exist.
    [[nodiscard]] bool has_pairs() const noexcept { return pairs_ != nullptr; }
    void step_pair(const char* text) noexcept {
        size_t first = classes_[static_cast<uint8_t>(text[0])];
        size_t second = classes_[static_cast<uint8_t>(text[1])];
        state_ = pairs_[(first * classes_count_ + second) * states_ + state_];
    }
    void run(const char* text, const char* end) noexcept {
        if (has_pairs()) {
            for (; end - text >= 2 && !settled(); text += 2) step_pair(text);
        }
        for (; text != end && !settled(); ++text) step(*text);
    }

    [[nodiscard]] Verdict verdict(uint16_t method) const noexcept {
        const auto* set = section<AcceptSet>(header_, header_->sets) +
                          section<uint16_t>(header_, header_->accepting)[state_];
        Verdict verdict{UINT32_MAX, set->methods};
        if ((set->methods & method) == 0) return verdict;
        const auto* accepts = section<Accept>(header_, header_->accepts) + set->first;
        for (unsigned i = 0; i < set->count; ++i) {
            if ((accepts[i].methods & method) == 0) continue;
            verdict.member = accepts[i].member;
            return verdict;
        }
        return verdict;
    }

 private:
    const Header* header_;
    const uint8_t* classes_;
    const uint16_t* moves_;
    const uint16_t* pairs_;
    size_t classes_count_;
    size_t states_;
    uint32_t absorbing_;
    uint32_t state_;
};

__extension__ typedef unsigned __int128 Wide;

/// The fallback: one bit per position. A byte moves the positions it suits up by one, leaves the
/// stars that take it where they are, and then lets stars be skipped (never two in a row, so once
/// is enough).
template <unsigned words>
[[nodiscard]] Verdict run_positions(const Header* header, std::string_view text,
                                    uint16_t method) noexcept {
    const auto* classes = section<uint8_t>(header, code::classes_offset);
    const auto* moves = section<uint64_t>(header, header->moves);
    const auto* rows = section<uint64_t>(header, header->accepting);
    // Pairs of words: wide shifts carry within registers.
    auto load = [](const uint64_t* from) noexcept { return Wide{from[1]} << 64 | from[0]; };
    Wide wide[words / 2];
    Wide skip[words / 2];
    for (unsigned w = 0; w < words / 2; ++w) {
        wide[w] = load(rows + code::row_start * words + 2 * w);
        skip[w] = load(rows + code::row_skip * words + 2 * w);
    }
    for (char c : text) {
        const uint64_t* move = moves + classes[static_cast<uint8_t>(c)] * 2 * words;
        const uint64_t* stay = move + words;
        Wide moved_carry = 0;
        Wide skipped_carry = 0;
        Wide alive = 0;
        for (unsigned w = 0; w < words / 2; ++w) {
            Wide moved = wide[w] & load(move + 2 * w);
            Wide next = moved << 1 | moved_carry | (wide[w] & load(stay + 2 * w));
            moved_carry = moved >> 127;
            Wide skipped = next & skip[w];
            next |= skipped << 1 | skipped_carry;
            skipped_carry = skipped >> 127;
            wide[w] = next;
            alive |= next;
        }
        if (alive == 0) return {};
    }
    uint64_t set[words];
    for (unsigned w = 0; w < words; ++w)
        set[w] = static_cast<uint64_t>(wide[w / 2] >> (64 * (w % 2)));
    const auto* members = section<uint16_t>(header, header->sets);
    const auto* methods = section<uint16_t>(header, header->accepts);
    Verdict verdict;
    for (unsigned w = 0; w < words; ++w) {
        uint64_t ends = set[w] & rows[code::row_ends * words + w];
        for (; ends != 0; ends &= ends - 1) {
            unsigned member = members[w * 64 + static_cast<unsigned>(std::countr_zero(ends))];
            if (verdict.member == UINT32_MAX && (methods[member] & method)) verdict.member = member;
            verdict.methods = static_cast<uint16_t>(verdict.methods | methods[member]);
        }
    }
    return verdict;
}

}  // namespace

Verdict run_automaton(const uint64_t* blob, std::string_view text, uint16_t method) noexcept {
    const auto* header = reinterpret_cast<const Header*>(blob);
    if (header->kind == AutomatonKind::table) {
        TableRun run(header);
        run.run(text.data(), text.data() + text.size());
        return run.verdict(method);
    }
    return header->states == 2 ? run_positions<2>(header, text, method)
                               : run_positions<4>(header, text, method);
}

void run_automata(const Run& first, const Run& second, uint16_t method, Verdict& first_verdict,
                  Verdict& second_verdict) noexcept {
    const auto* header_a = reinterpret_cast<const Header*>(first.code);
    const auto* header_b = reinterpret_cast<const Header*>(second.code);
    if (header_a->kind != AutomatonKind::table || header_b->kind != AutomatonKind::table) {
        first_verdict = run_automaton(first.code, first.text, method);
        second_verdict = run_automaton(second.code, second.text, method);
        return;
    }
    TableRun a(header_a);
    TableRun b(header_b);
    const char* end = first.text.data() + first.text.size();
    const char* from_a = first.text.data();
    const char* from_b = second.text.data();
    const char* both = from_a < from_b ? from_b : from_a;
    a.run(from_a, both);
    b.run(from_b, both);
    if (a.has_pairs() && b.has_pairs()) {
        for (; end - both >= 2 && !(a.settled() || b.settled()); both += 2) {
            a.step_pair(both);
            b.step_pair(both);
        }
    }
    for (; both != end && !(a.settled() || b.settled()); ++both) {
        a.step(*both);
        b.step(*both);
    }
    a.run(both, end);
    b.run(both, end);
    first_verdict = a.verdict(method);
    second_verdict = b.verdict(method);
}

AutomatonInfo automaton_info(const uint64_t* blob) noexcept {
    const auto* header = reinterpret_cast<const Header*>(blob);
    return {header->kind, header->states, header->bytes};
}

}  // namespace ringtime::route
