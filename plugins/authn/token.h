#pragma once
// A JSON Web Token (RFC 7519) in the compact form of RFC 7515, and all the ways to refuse one. What
// RFC 8725 warns of is refused by construction: `none`, algorithms that do not fit the key, `crit`,
// encrypted and nested tokens, members said twice.
//
// Pure: no clock, no I/O, no exceptions.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "keys.h"

namespace authn {

constexpr size_t kTokenBytesMost = 8 * 1024;

enum class Refusal : uint8_t {
    none,
    malformed,
    too_large,
    algorithm,
    critical,
    key,
    signature,
    issuer,
    audience,
    expired,
    not_yet,
    subject,
};
constexpr size_t kRefusals = 12;

/// For the client and for metrics: says what is wrong and nothing of what would be right.
[[nodiscard]] std::string_view describe(Refusal refusal);

/// A token taken apart; nothing of it is to be believed before verify() says `none`.
struct Jws {
    Algorithm algorithm{};
    std::optional<std::string> key_id;
    std::string_view signed_text;
    std::string payload;
    std::string signature;
};

[[nodiscard]] Refusal parse_jws(std::string_view token, JsonReader& reader, Jws& out);
/// `key`: no key of the set is this token's.
[[nodiscard]] Refusal verify(const Jws& jws, const KeySet& keys);

/// What a service wants of the tokens it takes.
struct Expectation {
    std::string issuer;
    std::vector<std::string> audiences;  ///< One of them is enough; `*` takes every token.
    std::string identity_claim = "sub";
    std::string roles_claim = "roles";
    double leeway_s = 60;
};

struct Claims {
    std::string identity;
    std::vector<std::string> roles;
    double expires_s = 0;  ///< With the leeway.
};

/// `iss`, before anything is believed: chooses whose keys are asked.
[[nodiscard]] std::optional<std::string> issuer_of(std::string_view payload, JsonReader& reader);
[[nodiscard]] Refusal check_claims(std::string_view payload, const Expectation& expected,
                                   double now_s, JsonReader& reader, Claims& out);

}  // namespace authn
