#include "route/automaton.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "route/automaton_code.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/// The fallback while it runs: one bit per position, four words of them. A byte moves the positions
/// it suits up by one, and leaves those behind a star that takes it where they are. No pattern lies
/// across words, so nothing is carried between them and all four take the step at once.
struct PositionsRun {
    explicit PositionsRun(const Header* form) noexcept
        : header(form),
          classes(section<uint8_t>(form, code::classes_offset)),
          moves(section<uint64_t>(form, form->moves)) {
        std::memcpy(set, row(code::row_start), sizeof set);
    }
    [[nodiscard]] const uint64_t* row(code::Row which) const noexcept {
        return section<uint64_t>(header, header->accepting) + which * code::position_words;
    }
    [[nodiscard]] const uint64_t* moves_of(char c) const noexcept {
        return moves + size_t{classes[static_cast<uint8_t>(c)]} * code::move_words;
    }
    [[nodiscard]] bool alive() const noexcept { return (set[0] | set[1] | set[2] | set[3]) != 0; }
    void step(char c) noexcept {
        const uint64_t* move = moves_of(c);
        for (size_t w = 0; w < code::position_words; ++w) {
            set[w] = (set[w] & move[w]) << 1 | (set[w] & move[code::position_words + w]);
        }
    }
    [[nodiscard]] Verdict verdict(uint16_t method) const noexcept {
        const auto* members = section<uint16_t>(header, header->sets);
        const auto* methods = section<uint16_t>(header, header->accepts);
        Verdict verdict;
        for (size_t w = 0; w < code::position_words; ++w) {
            uint64_t ends = set[w] & row(code::row_ends)[w];
            for (; ends != 0; ends &= ends - 1) {
                unsigned member = members[w * 64 + static_cast<unsigned>(std::countr_zero(ends))];
                if (verdict.member == UINT32_MAX && (methods[member] & method))
                    verdict.member = member;
                verdict.methods = static_cast<uint16_t>(verdict.methods | methods[member]);
            }
        }
        return verdict;
    }

    const Header* header;
    const uint8_t* classes;
    const uint64_t* moves;
    uint64_t set[code::position_words];
};

/// How many bytes are read between two looks at whether anything is still possible.
constexpr ptrdiff_t kStretch = 32;

#if defined(__x86_64__)
// The same with all four words in one register; a step is three instructions deep.
#define RINGTIME_AVX2 __attribute__((target("avx2")))

RINGTIME_AVX2 inline __m256i load_words(const uint64_t* from) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

RINGTIME_AVX2 inline __m256i step_wide(const PositionsRun& run, __m256i set, char c) noexcept {
    const uint64_t* move = run.moves_of(c);
    __m256i up = _mm256_and_si256(set, load_words(move));
    __m256i stay = _mm256_and_si256(set, load_words(move + code::position_words));
    return _mm256_or_si256(_mm256_slli_epi64(up, 1), stay);
}

/// Two runs over the same text: neither chain waits for the other.
RINGTIME_AVX2 void run_wide(PositionsRun& a, PositionsRun& b, const char* text,
                            const char* end) noexcept {
    __m256i set_a = load_words(a.set);
    __m256i set_b = load_words(b.set);
    while (text != end) {
        __m256i both = _mm256_or_si256(set_a, set_b);
        if (_mm256_testz_si256(both, both)) break;
        const char* stop = text + std::min(end - text, kStretch);
        for (; text != stop; ++text) {
            set_a = step_wide(a, set_a, *text);
            set_b = step_wide(b, set_b, *text);
        }
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(a.set), set_a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(b.set), set_b);
}
#endif

void run_positions(PositionsRun& run, const char* text, const char* end) noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        PositionsRun idle = run;
        std::memset(idle.set, 0, sizeof idle.set);
        return run_wide(run, idle, text, end);
    }
#endif
    while (text != end && run.alive()) {
        const char* stop = text + std::min(end - text, kStretch);
        for (; text != stop; ++text) run.step(*text);
    }
}

void run_positions(PositionsRun& a, PositionsRun& b, const char* text, const char* end) noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return run_wide(a, b, text, end);
#endif
    run_positions(a, text, end);
    run_positions(b, text, end);
}

/// Both read on their own until they are at the same byte, then together.
void run_positions(const Run& first, const Run& second, uint16_t method, Verdict& first_verdict,
                   Verdict& second_verdict) noexcept {
    PositionsRun a(reinterpret_cast<const Header*>(first.code));
    PositionsRun b(reinterpret_cast<const Header*>(second.code));
    const char* end = first.text.data() + first.text.size();
    const char* both = std::max(first.text.data(), second.text.data());
    run_positions(a, first.text.data(), both);
    run_positions(b, second.text.data(), both);
    run_positions(a, b, both, end);
    first_verdict = a.verdict(method);
    second_verdict = b.verdict(method);
}

}  // namespace

Verdict run_automaton(const uint64_t* blob, std::string_view text, uint16_t method) noexcept {
    const auto* header = reinterpret_cast<const Header*>(blob);
    if (header->kind == AutomatonKind::table) {
        TableRun run(header);
        run.run(text.data(), text.data() + text.size());
        return run.verdict(method);
    }
    PositionsRun run(header);
    run_positions(run, text.data(), text.data() + text.size());
    return run.verdict(method);
}

void run_automata(const Run& first, const Run& second, uint16_t method, Verdict& first_verdict,
                  Verdict& second_verdict) noexcept {
    const auto* header_a = reinterpret_cast<const Header*>(first.code);
    const auto* header_b = reinterpret_cast<const Header*>(second.code);
    if (header_a->kind == AutomatonKind::positions && header_b->kind == header_a->kind)
        return run_positions(first, second, method, first_verdict, second_verdict);
    if (header_a->kind != header_b->kind) {
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
