#pragma once
// Which coding of a file a client gets (RFC 9110 §12.5.3). Pure.

#include <cstdint>
#include <string_view>

#include "http/draft.h"

namespace ringtime::site {

/// Codings a file may lie in, each beside the plain one with its own suffix.
enum class Coding : uint8_t { identity, br, zstd, gzip, count_ };
inline constexpr unsigned codings_count = static_cast<unsigned>(Coding::count_);

/// A set of codings.
using CodingSet = uint8_t;
[[nodiscard]] constexpr CodingSet coding_bit(Coding coding) noexcept {
    return static_cast<CodingSet>(1U << static_cast<unsigned>(coding));
}

/// The name on the wire: `br`, `zstd`, `gzip`, `identity`.
[[nodiscard]] std::string_view coding_name(Coding coding) noexcept;
/// `.br`, `.zst`, `.gz`; empty for identity.
[[nodiscard]] std::string_view coding_suffix(Coding coding) noexcept;

/// What a client says about codings, read once.
class AcceptedCodings {
 public:
    explicit AcceptedCodings(const http::FieldDraft& fields) noexcept;

    /// The available coding with the highest weight in Accept-Encoding; on a tie the one that is
    /// smaller as a rule. Identity when nothing else is wanted: a client that refuses even that is
    /// better served than refused.
    [[nodiscard]] Coding best_of(CodingSet available) const noexcept;

 private:
    unsigned weights_[codings_count] = {};  ///< In thousandths.
};

/// True when Accept names text/html: a browser that navigates.
[[nodiscard]] bool wants_html(const http::FieldDraft& fields) noexcept;

}  // namespace ringtime::site
