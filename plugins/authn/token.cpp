#include "token.h"

#include <algorithm>

#include "base64.h"

namespace authn {
namespace {

constexpr size_t kRolesMost = 64;
constexpr size_t kIdentityBytesMost = 256;

/// RFC 7519 section 4.1.3: a string or a list of them.
Refusal check_audience(const JsonObject& claims, const Expectation& expected) {
    if (expected.audiences.size() == 1 && expected.audiences[0] == "*") return Refusal::none;
    std::vector<std::string_view> audiences;
    if (strings_member(claims, "aud", OneString::whole, audiences) != Member::of_type)
        return Refusal::audience;
    for (std::string_view audience : audiences) {
        if (std::find(expected.audiences.begin(), expected.audiences.end(), audience) !=
            expected.audiences.end())
            return Refusal::none;
    }
    return Refusal::audience;
}

/// A token without an end would outlive everybody who could take it back, so `exp` must be there.
Refusal check_times(const JsonObject& claims, const Expectation& expected, double now_s,
                    double& expires_s) {
    double expires = 0;
    double from = 0;
    if (number_member(claims, "exp", expires) != Member::of_type) return Refusal::expired;
    expires_s = expires + expected.leeway_s;
    if (!(now_s < expires_s)) return Refusal::expired;
    Member given = number_member(claims, "nbf", from);
    if (given == Member::of_other_type) return Refusal::not_yet;
    if (given == Member::of_type && !(now_s >= from - expected.leeway_s)) return Refusal::not_yet;
    return Refusal::none;
}

/// Roles come as a list, or as `scope` does: one string of words. A role in a list is one role
/// whatever is in it: "not admin" must not make an admin.
bool read_roles(const JsonObject& claims, const Expectation& expected,
                std::vector<std::string>& roles) {
    std::vector<std::string_view> given;
    if (strings_member(claims, expected.roles_claim, OneString::words, given) ==
        Member::of_other_type)
        return false;
    roles.assign(given.begin(), given.end());
    return roles.size() <= kRolesMost;
}

}  // namespace

std::string_view describe(Refusal refusal) {
    switch (refusal) {
        case Refusal::none: return "fine";
        case Refusal::malformed: return "malformed";
        case Refusal::too_large: return "too large";
        case Refusal::algorithm: return "algorithm not allowed";
        case Refusal::critical: return "critical header not understood";
        case Refusal::key: return "unknown key";
        case Refusal::signature: return "wrong signature";
        case Refusal::issuer: return "unknown issuer";
        case Refusal::audience: return "not for this audience";
        case Refusal::expired: return "expired";
        case Refusal::not_yet: return "not valid yet";
        case Refusal::subject: return "says not whose it is";
    }
    return "refused";
}

Refusal parse_jws(std::string_view token, JsonReader& reader, Jws& out) {
    if (token.size() > kTokenBytesMost) return Refusal::too_large;
    size_t first = token.find('.');
    size_t second = first == token.npos ? first : token.find('.', first + 1);
    // Five parts are an encrypted token (RFC 7516).
    if (second == token.npos || token.find('.', second + 1) != token.npos)
        return Refusal::malformed;
    auto header_text = decode_base64url(token.substr(0, first));
    auto payload = decode_base64url(token.substr(first + 1, second - first - 1));
    auto signature = decode_base64url(token.substr(second + 1));
    if (!header_text || !payload || !signature) return Refusal::malformed;
    std::optional<JsonObject> header = reader.object(*header_text);
    if (!header) return Refusal::malformed;
    std::string_view text;
    if (string_member(*header, "alg", text) != Member::of_type) return Refusal::malformed;
    std::optional<Algorithm> algorithm = algorithm_of(text);
    if (!algorithm) return Refusal::algorithm;
    // RFC 7515 section 4.1.11: who does not understand an extension must refuse; we know none.
    simdjson::dom::element critical;
    if (header->at_key("crit").get(critical) == simdjson::SUCCESS) return Refusal::critical;
    Member id = string_member(*header, "kid", text);
    if (id == Member::of_other_type) return Refusal::malformed;
    if (id == Member::of_type) out.key_id = text;
    // A nested token says so here; what it holds would not be claims.
    if (string_member(*header, "cty", text) != Member::absent) return Refusal::malformed;
    out.algorithm = *algorithm;
    out.signed_text = token.substr(0, second);
    out.payload = std::move(*payload);
    out.signature = std::move(*signature);
    return Refusal::none;
}

Refusal verify(const Jws& jws, const KeySet& keys) {
    std::optional<std::string_view> id;
    if (jws.key_id) id = *jws.key_id;
    const Key* key = keys.find(jws.algorithm, id);
    if (!key) return Refusal::key;
    return key->verify(jws.signed_text, jws.signature) ? Refusal::none : Refusal::signature;
}

std::optional<std::string> issuer_of(std::string_view payload, JsonReader& reader) {
    std::optional<JsonObject> claims = reader.object(payload);
    std::string_view issuer;
    if (!claims || string_member(*claims, "iss", issuer) != Member::of_type) return std::nullopt;
    return std::string(issuer);
}

Refusal check_claims(std::string_view payload, const Expectation& expected, double now_s,
                     JsonReader& reader, Claims& out) {
    std::optional<JsonObject> claims = reader.object(payload);
    if (!claims) return Refusal::malformed;
    std::string_view text;
    if (string_member(*claims, "iss", text) != Member::of_type || text != expected.issuer)
        return Refusal::issuer;
    Refusal refusal = check_times(*claims, expected, now_s, out.expires_s);
    if (refusal == Refusal::none) refusal = check_audience(*claims, expected);
    if (refusal != Refusal::none) return refusal;
    if (string_member(*claims, expected.identity_claim, text) != Member::of_type ||
        text.empty() || text.size() > kIdentityBytesMost)
        return Refusal::subject;
    out.identity = text;
    return read_roles(*claims, expected, out.roles) ? Refusal::none : Refusal::malformed;
}

}  // namespace authn
