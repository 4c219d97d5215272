#pragma once
// The byte scans that everything else of a head is made from, in two forms: AVX2, chosen at run
// time, and portable words. Neither reads outside [data, data + size): tails are loads that end at
// `size` and begin earlier. Both give the same answers; tests and benches pass either one
// explicitly.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringtime::http {

/// One bit per byte for runs of 64-byte blocks, the first byte lowest. Bits at and beyond the end
/// of the text are set, so that a search stops there by itself.
struct BlockMasks {
    uint64_t* not_token;  ///< Not a tchar: ends a method or a field name.
    uint64_t* control;    ///< CTL, HTAB included, and DEL: ends a value unless it is HTAB.
};

/// Where a request target ends.
struct TargetScan {
    size_t end;  ///< First byte no target may hold (SP, CTL, `#`, DEL, 8-bit), or the text's size.
    size_t query;  ///< First `?` before `end`, or `end`.
};

struct ScanPath {
    std::string_view name;
    /// Classifies blocks [first, first + count) of the text into the masks at the same indexes;
    /// every block begins inside the text. Null: there are no masks on this path, the parser
    /// searches word by word.
    void (*classify)(const char* data, size_t size, size_t first, size_t count, BlockMasks masks);
    TargetScan (*target)(const char* data, size_t from, size_t size);
    /// Whether a path is in canonical form as it stands: no byte but pchar and `/`, no `%`, and no
    /// segment that begins with a dot. A false "no" only costs time.
    bool (*path_is_plain)(const char* data, size_t size);
};

[[nodiscard]] const ScanPath& portable_scan() noexcept;
/// Null where the machine has no AVX2.
[[nodiscard]] const ScanPath* avx2_scan() noexcept;
/// The fastest one of this machine.
[[nodiscard]] const ScanPath& best_scan() noexcept;

}  // namespace ringtime::http
