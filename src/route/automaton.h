#pragma once
// What may still match behind one point of a path: a minimised automaton over bytes, or, where that
// would be too large, a bit-parallel set of positions. Both do one bounded step per byte and never
// go back. Compiled at start-up into a position-independent blob; running one allocates nothing.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "route/glob.h"

namespace ringtime::route {

/// States of one automaton; with more the set of positions is used (1 to 2 ns a byte).
inline constexpr size_t automaton_states_max = 4096;
/// Transition table of one automaton, in bytes.
inline constexpr size_t automaton_bytes_max = 256 * 1024;
/// Positions of the fallback: items of all its patterns but for stars, and one end for each. No
/// pattern may have more than 64 of them.
inline constexpr size_t positions_max = 256;
/// Patterns that may have to be told apart behind one point.
inline constexpr size_t patterns_per_point_max = 1024;

/// How large an automaton may become. Tests and the fuzzer reach smaller ones sooner.
struct AutomatonCaps {
    size_t states = automaton_states_max;
    size_t bytes = automaton_bytes_max;
    size_t positions = positions_max;  ///< At most positions_max.
};

/// One pattern, or what is left of it: the items from any of `starts` on.
struct Seed {
    std::span<const Item> items;
    std::vector<uint16_t> starts;
    uint16_t methods = 0;
};

/// What a text that was accepted is accepted for.
struct Accept {
    uint16_t methods = 0;  ///< Those no earlier pattern has.
    uint16_t member = 0;   ///< Index of the pattern among the seeds.
};

struct Verdict {
    uint32_t member = UINT32_MAX;  ///< The first pattern with the method; UINT32_MAX for none.
    uint16_t methods = 0;          ///< All methods with which the text is accepted.
};

enum class AutomatonKind : uint16_t { table, positions, refused };

/// Appends the automaton of `seeds` (in order of priority) to `code`, 8-aligned. `reported` gets
/// one flag per seed: whether any text is accepted on its account, which is false for a pattern
/// that earlier ones cover. Returns what was built; `refused` (nothing appended) if both forms are
/// too large.
[[nodiscard]] AutomatonKind compile_automaton(std::span<const Seed> seeds,
                                              std::vector<uint64_t>& code,
                                              std::vector<bool>& reported,
                                              const AutomatonCaps& caps = {});

/// Runs the automaton at `code` over `text`. Cost: one load per byte in the chain of dependences.
[[nodiscard]] Verdict run_automaton(const uint64_t* code, std::string_view text,
                                    uint16_t method) noexcept;

/// The same for two automata over two texts with a common end: their chains of loads overlap.
struct Run {
    const uint64_t* code = nullptr;
    std::string_view text;
};
void run_automata(const Run& first, const Run& second, uint16_t method, Verdict& first_verdict,
                  Verdict& second_verdict) noexcept;

/// For tests and figures.
struct AutomatonInfo {
    AutomatonKind kind = AutomatonKind::refused;
    size_t states = 0;
    size_t bytes = 0;
};
[[nodiscard]] AutomatonInfo automaton_info(const uint64_t* code) noexcept;

}  // namespace ringtime::route
