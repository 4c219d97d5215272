// What strangers send to plugins/authn: tokens, keys, credentials, paths; the first byte says
// which. Nobody comes in with a token that was not signed with our secret, whatever is in it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "check.h"
#include "plugins/authn/accounts.h"
#include "plugins/authn/base64.h"
#include "plugins/authn/rules.h"
#include "plugins/authn/token.h"
#include "tests/plugins/signed_text.h"

namespace {

using namespace authn;
using plugins_test::base64url;
using plugins_test::sign_text;

const std::string kSecret = "a secret that is exactly 32 byte";

std::string sign(std::string_view text) {
    return sign_text(text, kSecret);
}

// One key of each kind (RFC 7515 appendix A, RFC 8037 appendix A), and ours.
const KeySet& keys() {
    static const KeySet set = *KeySet::read(
        R"({"keys":[{"kty":"oct","k":"YSBzZWNyZXQgdGhhdCBpcyBleGFjdGx5IDMyIGJ5dGU"},)"
        R"({"kty":"EC","kid":"e","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
        R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},{"kty":"OKP","kid":"o",)"
        R"("crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})",
        KeySource::file);
    return set;
}

void check_claims(std::string_view payload) {
    JsonReader reader(kTokenBytesMost);
    Expectation expected;
    expected.issuer = "joe";
    expected.audiences = {"shop"};
    Claims claims;
    (void)issuer_of(payload, reader);
    if (check_claims(payload, expected, 1000, reader, claims) != Refusal::none) return;
    CHECK(!claims.identity.empty() && claims.identity.size() <= 256);
    CHECK(claims.expires_s > 1000);
    CHECK(payload.find("joe") != payload.npos || payload.find('\\') != payload.npos);
}

void check_token(std::string_view token) {
    JsonReader reader(kTokenBytesMost);
    Jws jws;
    if (parse_jws(token, reader, jws) != Refusal::none) return;
    CHECK(token.size() <= kTokenBytesMost);
    CHECK(jws.signed_text == token.substr(0, jws.signed_text.size()));
    if (verify(jws, keys()) != Refusal::none) return;
    CHECK(jws.algorithm != Algorithm::hs256 || jws.signature == sign(jws.signed_text));
    CHECK(token == std::string(jws.signed_text) + "." + base64url(jws.signature));
    check_claims(jws.payload);
}

// Header and payload as they are; what is around them is made here, or no fuzzer would get there.
void check_parts(std::string_view text) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view payload = end < text.size() ? text.substr(end + 1) : std::string_view();
    std::string plain = base64url(text.substr(0, end)) + "." + base64url(payload);
    check_token(plain + "." + base64url(sign(plain)));
    check_token(plain + "." + base64url(std::string(64, 'x')));
    check_token(plain + ".");
    check_claims(payload);
}

void check_keys(std::string_view text) {
    for (KeySource source : {KeySource::file, KeySource::url}) {
        auto set = KeySet::read(text, source);
        if (!set) continue;
        CHECK(set->size() + set->passed_over().size() <= kKeysMost);
        for (Algorithm algorithm : {Algorithm::hs256, Algorithm::rs256, Algorithm::es256,
                                    Algorithm::eddsa}) {
            const Key* key = set->find(algorithm, std::nullopt);
            if (!key) continue;
            CHECK(key->algorithm() == algorithm);
            CHECK(source == KeySource::file || algorithm != Algorithm::hs256);
            for (size_t size : {0, 32, 64, 256})
                CHECK(!key->verify("text", std::string(size, 'x')));
        }
    }
}

void check_credentials(std::string_view text) {
    auto parsed = parse_basic(text);
    if (!parsed) return;
    CHECK(parsed->name.find(':') == std::string::npos);
    std::string all = parsed->name + parsed->password;
    CHECK(all.find('\0') == std::string::npos && parsed->password.size() <= 72);
}

void check_path(std::string_view text) {
    std::string path = "/" + std::string(text);
    std::string plain = decoded_separators(path);
    CHECK(!plain.empty() && plain[0] == '/' && plain.size() <= path.size());
    CHECK(plain.find("//") == std::string::npos);
    CHECK((plain + "/").find("/../") == std::string::npos);
    CHECK(decoded_separators(plain) == plain || plain.find('%') != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0]) {
        case 't': check_token(text); break;
        case 'p': check_parts(text); break;
        case 'k': check_keys(text); break;
        case 'b': check_credentials(text); break;
        default: check_path(text); break;
    }
    return 0;
}
