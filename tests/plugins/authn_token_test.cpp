// plugins/authn: tokens and keys, with the examples of the RFCs and with what attackers send.
#include "plugins/authn/token.h"

#include <gtest/gtest.h>

#include "tests/plugins/signed_text.h"

namespace {

using namespace authn;
using plugins_test::base64url;
using plugins_test::sign_text;

constexpr double kNow = 1'300'819'000;  // A little before the RFCs' tokens expire.

// RFC 7515, appendix A.1: the payload of A.1 to A.3.
const std::string kJoe =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ";
const std::string kSecretKey =
    R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUu)"
    R"(TwjAzZr1Z9CAow"})";
const std::string kRsaKey =
    R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qP)"
    R"(CJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0L)"
    R"(OL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Z)"
    R"(wKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpo)"
    R"(Q","e":"AQAB"})";
const std::string kCurveKey =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
// RFC 8037, appendix A.2.
const std::string kEdwardsKey =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

const std::string kSecretToken = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + kJoe +
                                 ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const std::string kRsaToken =
    "eyJhbGciOiJSUzI1NiJ9." + kJoe +
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L"
    "07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi"
    "pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const std::string kCurveToken =
    "eyJhbGciOiJFUzI1NiJ9." + kJoe +
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const std::string kEdwardsToken =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg"
    "3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

KeySet set_of(const std::string& keys, KeySource source = KeySource::file) {
    auto read = KeySet::read("{\"keys\":[" + keys + "]}", source);
    EXPECT_TRUE(read) << keys;
    return read ? std::move(*read) : KeySet();
}

Refusal verified(const std::string& token, const KeySet& keys) {
    JsonReader reader(kTokenBytesMost);
    Jws jws;
    Refusal refusal = parse_jws(token, reader, jws);
    return refusal == Refusal::none ? verify(jws, keys) : refusal;
}

const std::string kSecret = "a secret of thirty-two bytes, yes";

/// A token signed with HS256 and `secret`, whatever its header says.
std::string make_token(const std::string& header, const std::string& payload,
                       const std::string& secret = kSecret) {
    std::string text = base64url(header) + "." + base64url(payload);
    return text + "." + base64url(sign_text(text, secret));
}

KeySet our_key() { return set_of(R"({"kty":"oct","k":")" + base64url(kSecret) + "\"}"); }

const std::string kHeader = R"({"alg":"HS256"})";

TEST(AuthnToken, examples_of_rfc_7515_and_8037_hold) {
    EXPECT_EQ(verified(kSecretToken, set_of(kSecretKey)), Refusal::none);
    EXPECT_EQ(verified(kRsaToken, set_of(kRsaKey)), Refusal::none);
    EXPECT_EQ(verified(kCurveToken, set_of(kCurveKey)), Refusal::none);
    EXPECT_EQ(verified(kEdwardsToken, set_of(kEdwardsKey)), Refusal::none);
    KeySet all = set_of(kSecretKey + "," + kRsaKey + "," + kCurveKey + "," + kEdwardsKey);
    EXPECT_EQ(all.size(), 4u);
    for (const std::string& token : {kSecretToken, kRsaToken, kCurveToken, kEdwardsToken})
        EXPECT_EQ(verified(token, all), Refusal::none);
}

TEST(AuthnToken, every_changed_bit_is_seen) {
    KeySet all = set_of(kSecretKey + "," + kRsaKey + "," + kCurveKey + "," + kEdwardsKey);
    for (const std::string& token : {kSecretToken, kRsaToken, kCurveToken, kEdwardsToken}) {
        for (size_t at = 0; at < token.size(); at += 3) {
            std::string changed = token;
            changed[at] = changed[at] == 'A' ? 'B' : 'A';
            EXPECT_NE(verified(changed, all), Refusal::none) << at;
        }
        EXPECT_NE(verified(token.substr(0, token.size() - 1), all), Refusal::none);
        EXPECT_NE(verified(token + "A", all), Refusal::none);
    }
}

TEST(AuthnToken, unsecured_and_encrypted_tokens_are_refused) {
    KeySet all = set_of(kSecretKey + "," + kRsaKey);
    // RFC 7519 section 6.1, RFC 7515 appendix A.5.
    EXPECT_EQ(verified("eyJhbGciOiJub25lIn0." + kJoe + ".", all), Refusal::algorithm);
    for (const char* name : {"none", "None", "nOnE", "NONE", "HS512", "RS512", "PS256", "ES256K",
                             "hs256", "", "HS256 "})
        EXPECT_EQ(verified(make_token(std::string(R"({"alg":")") + name + "\"}", "{}"), all),
                  Refusal::algorithm)
            << name;
    // RFC 7519 appendix A.1 begins so and has five parts.
    EXPECT_EQ(verified("eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.QR1O.AxY8.MKOl.fiK5",
                       all),
              Refusal::malformed);
}

TEST(AuthnToken, a_public_key_is_never_a_secret) {
    KeySet rsa = set_of(kRsaKey);
    for (const std::string& secret : {kRsaKey, std::string("AQAB")})
        EXPECT_EQ(verified(make_token(kHeader, "{}", secret), rsa), Refusal::key);
    // Nor the other way round, whatever name the key has.
    KeySet secret = set_of(R"({"kty":"oct","kid":"a","k":")" + base64url(kSecret) + "\"}");
    EXPECT_EQ(verified(make_token(R"({"alg":"RS256","kid":"a"})", "{}"), secret), Refusal::key);
}

TEST(AuthnToken, headers_that_are_refused) {
    KeySet keys = our_key();
    EXPECT_EQ(verified(make_token(kHeader, "{}"), keys), Refusal::none);
    struct Row {
        const char* header;
        Refusal refusal;
    };
    for (const Row& row : {
             Row{R"({"alg":"HS256","crit":["exp"],"exp":1})", Refusal::critical},
             Row{R"({"alg":"HS256","crit":["b64"],"b64":false})", Refusal::critical},
             Row{R"({"alg":"HS256","crit":[]})", Refusal::critical},
             Row{R"({"alg":"HS256","alg":"HS256"})", Refusal::malformed},
             Row{R"({"alg":"none","alg":"HS256"})", Refusal::malformed},
             Row{R"({"alg":"HS256","a\u006cg":"none"})", Refusal::malformed},
             Row{R"({"alg":"HS256","x":{"a":1,"a":2}})", Refusal::malformed},
             Row{R"({"alg":"HS256","cty":"JWT"})", Refusal::malformed},
             Row{R"({"alg":1})", Refusal::malformed},
             Row{R"({"alg":"HS256","kid":1})", Refusal::malformed},
             Row{R"({"alg":"HS256","kid":"other"})", Refusal::key},
             Row{R"(["alg","HS256"])", Refusal::malformed},
             Row{R"({"typ":"JWT"})", Refusal::malformed},
             Row{"", Refusal::malformed},
             Row{"{\"alg\":\"HS256\",\"x\":\"\xff\"}", Refusal::malformed},
             // A key that comes with the token is nobody's.
             Row{R"({"alg":"HS256","kid":"x","jwk":{"kty":"oct","k":"YQ"}})", Refusal::key},
         })
        EXPECT_EQ(verified(make_token(row.header, "{}"), keys), row.refusal) << row.header;
}

TEST(AuthnToken, texts_that_are_no_tokens) {
    KeySet keys = our_key();
    std::string good = make_token(kHeader, "{}");
    for (const std::string& text :
         {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), " " + good,
          good + " ", good + ".", good + "=", good.substr(good.find('.'))})
        EXPECT_EQ(verified(text, keys), Refusal::malformed) << text;
    EXPECT_EQ(verified(make_token(kHeader, std::string(kTokenBytesMost, ' ')), keys),
              Refusal::too_large);
    std::string deep = R"({"alg":"HS256","x":)" + std::string(100, '[') + std::string(100, ']');
    EXPECT_EQ(verified(make_token(deep + "}", "{}"), keys), Refusal::malformed);
}

TEST(AuthnToken, nothing_is_no_object) {
    JsonReader reader(100);
    EXPECT_FALSE(reader.object({}));
    EXPECT_FALSE(reader.object(""));
    EXPECT_TRUE(reader.object("{}"));
}

TEST(AuthnToken, a_text_has_one_spelling) {
    // The last character of a signature has two bits that say nothing.
    KeySet keys = set_of(kSecretKey);
    std::string other = kSecretToken;
    ASSERT_EQ(other.back(), 'k');
    other.back() = 'l';
    EXPECT_EQ(verified(other, keys), Refusal::malformed);
}

Expectation joe() {
    Expectation expected;
    expected.issuer = "joe";
    expected.audiences = {"shop"};
    expected.leeway_s = 10;
    return expected;
}

Refusal claimed(const std::string& payload, const Expectation& expected = joe(),
                Claims* out = nullptr) {
    JsonReader reader(kTokenBytesMost);
    Claims claims;
    Refusal refusal = check_claims(payload, expected, kNow, reader, out ? *out : claims);
    return refusal;
}

std::string claims(const std::string& more, const std::string& exp = "1300819380",
                   const std::string& aud = R"("shop")") {
    return R"({"iss":"joe","sub":"alice","exp":)" + exp + R"(,"aud":)" + aud + more + "}";
}

TEST(AuthnClaims, example_of_rfc_7519) {
    Expectation expected = joe();
    expected.audiences = {"*"};
    expected.identity_claim = "iss";
    std::string payload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
                          "\"http://example.com/is_root\":true}";
    EXPECT_EQ(claimed(payload, expected), Refusal::none);
    JsonReader reader(kTokenBytesMost);
    Claims out;
    EXPECT_EQ(check_claims(payload, expected, 1'300'819'391, reader, out), Refusal::expired);
    EXPECT_EQ(check_claims(payload, expected, 1'300'819'389, reader, out), Refusal::none);
}

TEST(AuthnClaims, who_may_come_in) {
    struct Row {
        std::string payload;
        Refusal refusal;
    };
    for (const Row& row : {
             Row{claims(""), Refusal::none},
             Row{claims("", "1300819380.5"), Refusal::none},
             Row{claims("", "1e300"), Refusal::none},
             Row{claims("", "1300818991"), Refusal::none},  // Within the leeway.
             Row{claims("", "1300818990"), Refusal::expired},
             Row{claims("", "-1"), Refusal::expired},
             Row{claims("", "null"), Refusal::expired},
             Row{claims("", "\"1300819380\""), Refusal::expired},
             Row{R"({"iss":"joe","sub":"alice","aud":"shop"})", Refusal::expired},
             Row{claims(R"(,"nbf":1300819010)"), Refusal::none},
             Row{claims(R"(,"nbf":1300819011)"), Refusal::not_yet},
             Row{claims(R"(,"nbf":"now")"), Refusal::not_yet},
             Row{claims("", "1300819380", R"(["other","shop"])"), Refusal::none},
             Row{claims("", "1300819380", R"(["other"])"), Refusal::audience},
             Row{claims("", "1300819380", R"("sho")"), Refusal::audience},
             Row{claims("", "1300819380", R"("other shop")"), Refusal::audience},
             Row{claims("", "1300819380", "[]"), Refusal::audience},
             Row{claims("", "1300819380", R"(["shop",1])"), Refusal::audience},
             Row{claims("", "1300819380", "{}"), Refusal::audience},
             Row{claims(R"(,"sub":"bob")"), Refusal::malformed},
             Row{claims(R"(,"exp":9999999999)"), Refusal::malformed},
             Row{R"({"iss":"jo","sub":"alice","exp":1300819380,"aud":"shop"})", Refusal::issuer},
             Row{R"({"sub":"alice","exp":1300819380,"aud":"shop"})", Refusal::issuer},
             Row{R"({"iss":"joe","exp":1300819380,"aud":"shop"})", Refusal::subject},
             Row{R"({"iss":"joe","sub":"","exp":1300819380,"aud":"shop"})", Refusal::subject},
             Row{R"({"iss":"joe","sub":7,"exp":1300819380,"aud":"shop"})", Refusal::subject},
             Row{R"({"iss":"joe","sub":")" + std::string(257, 'a') +
                     R"(","exp":1300819380,"aud":"shop"})",
                 Refusal::subject},
             Row{"[]", Refusal::malformed},
             Row{"", Refusal::malformed},
         })
        EXPECT_EQ(claimed(row.payload), row.refusal) << row.payload;
}

TEST(AuthnClaims, roles_of_every_form) {
    Claims out;
    Expectation expected = joe();
    auto roles = [&](const std::string& more) {
        out = {};
        EXPECT_EQ(claimed(claims(more), expected, &out), Refusal::none) << more;
        return out.roles;
    };
    using List = std::vector<std::string>;
    EXPECT_EQ(roles(""), List{});
    EXPECT_EQ(roles(R"(,"roles":["admin","a b"])"), (List{"admin", "a b"}));
    EXPECT_EQ(roles(R"(,"roles":"read  write ")"), (List{"read", "write"}));
    EXPECT_EQ(out.identity, "alice");
    expected.roles_claim = "realm_access.roles";
    EXPECT_EQ(roles(R"(,"realm_access":{"roles":["ops"]})"), List{"ops"});
    EXPECT_EQ(roles(R"(,"realm_access.roles":["plain"])"), List{"plain"});
    expected.roles_claim = "https://shop.example/roles";
    EXPECT_EQ(roles(R"(,"https://shop.example/roles":["x"])"), List{"x"});
    expected.roles_claim = "roles";
    EXPECT_EQ(claimed(claims(R"(,"roles":["admin",1])"), expected), Refusal::malformed);
    EXPECT_EQ(claimed(claims(R"(,"roles":7)"), expected), Refusal::malformed);
}

TEST(AuthnKeys, names_choose) {
    std::string other = kCurveKey;
    other.insert(1, R"("kid":"new",)");
    KeySet keys = set_of(kCurveKey + "," + other);
    // Two keys and no name: not ours to guess.
    EXPECT_EQ(verified(kCurveToken, keys), Refusal::key);
    EXPECT_TRUE(keys.find(Algorithm::es256, "new"));
    EXPECT_FALSE(keys.find(Algorithm::es256, "old"));
    EXPECT_FALSE(keys.find(Algorithm::rs256, "new"));
}

TEST(AuthnKeys, what_is_not_fit_is_passed_over) {
    auto with = [](std::string key, const std::string& more) { return key.insert(1, more); };
    std::string short_key = kRsaKey;  // 2040 bits.
    short_key.erase(short_key.find("ofgW"), 2);
    for (const std::string& key : {
             with(kRsaKey, R"("use":"enc",)"), with(kRsaKey, R"("alg":"RS512",)"),
             with(kRsaKey, R"("alg":"HS256",)"), with(kRsaKey, R"("key_ops":["sign"],)"),
             with(kRsaKey, R"("use":1,)"), with(kRsaKey, R"("kid":1,)"),
             with(kCurveKey, R"("alg":"RS256",)"), with(kEdwardsKey, R"("alg":"ES256",)"),
             short_key, std::string(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"),
             kRsaKey.substr(0, kRsaKey.size() - 6) + R"(AQ"})",    // e = 1
             kRsaKey.substr(0, kRsaKey.size() - 6) + R"(AQAA"})",  // e is even.
             std::string(R"({"kty":"RSA","e":"AQAB"})"),
             // Not on the curve.
             std::string(R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uP)"
                         R"(HvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})"),
             std::string(R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})"),
             std::string(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"),
             std::string(R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwI)"
                         R"(aaPcHURo"})"),
             std::string(R"({"kty":"oct","k":"c2hvcnQ"})"), std::string(R"({"kty":"oct"})"),
             std::string(R"({"kty":"new"})"), std::string("{}"),
         }) {
        KeySet keys = set_of(key);
        EXPECT_EQ(keys.size(), 0u) << key;
        EXPECT_EQ(keys.passed_over().size(), 1u) << key;
    }
    EXPECT_EQ(set_of(with(kRsaKey, R"("use":"sig","alg":"RS256","key_ops":["verify"],)")).size(),
              1u);
}

TEST(AuthnKeys, a_set_of_rfc_7517) {
    // Appendix A.1: one key for encryption, one that checks RS256.
    KeySet keys = set_of(
        R"({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6S)"
        R"(RW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},)"
        R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK)"
        R"(7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6C)"
        R"(f0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI)"
        R"(SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a)"
        R"(wapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"})");
    EXPECT_EQ(keys.size(), 1u);
    EXPECT_TRUE(keys.find(Algorithm::rs256, "2011-04-29"));
}

TEST(AuthnKeys, secrets_come_from_files_only) {
    EXPECT_EQ(set_of(kSecretKey, KeySource::file).size(), 1u);
    EXPECT_EQ(set_of(kSecretKey, KeySource::url).size(), 0u);
}

TEST(AuthnKeys, texts_that_are_no_sets) {
    std::string many = "{}";
    for (size_t i = 0; i < kKeysMost; ++i) many += ",{}";
    for (const std::string& text :
         {std::string(), std::string("{}"), std::string("[]"), std::string(R"({"keys":{}})"),
          std::string(R"({"keys":[1]})"), std::string(R"({"keys":[],"keys":[]})"),
          std::string(R"({"keys":[{"kty":"oct","kty":"RSA"}]})"), "{\"keys\":[" + many + "]}",
          "{\"keys\":[]" + std::string(kKeySetBytesMost, ' ') + "}"})
        EXPECT_FALSE(KeySet::read(text, KeySource::url)) << text.substr(0, 40);
}

}  // namespace
