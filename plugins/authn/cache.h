#pragma once
// What was found out about credentials a moment ago, so that a password's slow hash or a token's
// signature is paid once and not for every request. Bounded; an entry lives for a minute at most.
// Wrong passwords are remembered too: repeating one costs us nothing.
//
// Credentials are known by a keyed hash only, so that nothing here helps whoever reads the memory.
// One per core: no locks.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "accounts.h"

namespace authn {

class Cache {
 public:
    enum class Kind : char { password = 'p', token = 't' };

    struct Entry {
        std::array<unsigned char, 32> digest{};
        uint64_t until_ns = 0;    ///< Monotonic.
        uint64_t generation = 0;  ///< Of the keys that spoke for it.
        bool known = false;       ///< False: the credentials are wrong.
        Identity identity;
    };

    static constexpr size_t kWays = 4;

    /// `entries`: a power of two, 4 at least.
    explicit Cache(size_t entries);

    /// Null when nothing is known that was found out with the same generation of keys. Valid until
    /// the next put().
    [[nodiscard]] const Entry* find(Kind kind, std::string_view credentials, uint64_t generation,
                                    uint64_t now_ns) const;
    /// `identity` null: they are wrong. What is returned is valid until the next put().
    const Entry& put(Kind kind, std::string_view credentials, uint64_t generation,
                     uint64_t until_ns, const Identity* identity);

 private:
    using Digest = std::array<unsigned char, 32>;
    [[nodiscard]] Digest hash(Kind kind, std::string_view credentials) const;
    [[nodiscard]] size_t place(const Digest& digest) const;

    std::array<unsigned char, 32> key_{};
    std::vector<Entry> entries_;
};

}  // namespace authn
