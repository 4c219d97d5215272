#include "keys.h"

#include <algorithm>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include "base64.h"

namespace authn {
namespace {

using PublicKey = std::unique_ptr<EVP_PKEY, FreeKey>;

template <auto Free>
struct Freed {
    template <typename T>
    void operator()(T* thing) const {
        Free(thing);
    }
};
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

// NIST SP 800-131A asks for 2048; above 8192 a check takes milliseconds that a stranger can order.
constexpr int kRsaBitsLeast = 2048;
constexpr int kRsaBitsMost = 8192;
constexpr int kExponentBitsMost = 64;
// RFC 7518 section 3.2: at least as long as the hash.
constexpr size_t kSecretBytesLeast = 32;
constexpr size_t kCoordinateBytes = 32;

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Number number(std::string_view text) {
    return Number(BN_bin2bn(bytes(text), static_cast<int>(text.size()), nullptr));
}

/// A member in base64url; empty when it is not there or not well.
std::string value(const JsonObject& object, std::string_view name) {
    std::string_view text;
    if (string_member(object, name, text) != Member::of_type) return {};
    return decode_base64url(text).value_or(std::string());
}

PublicKey make(const char* type, const Parameters& parameters) {
    Context context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* made = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return nullptr;
    PublicKey key(made);
    // A point beside the curve gives its private key's bits away elsewhere; here it is just wrong.
    Context check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    if (!check || EVP_PKEY_public_check(check.get()) != 1) return nullptr;
    return key;
}

PublicKey rsa_key(const JsonObject& object, const char** problem) {
    std::string modulus = value(object, "n");
    std::string exponent = value(object, "e");
    *problem = "is no RSA key of 2048 to 8192 bits";
    if (modulus.size() > kRsaBitsMost / 8 + 1 || exponent.size() > kExponentBitsMost / 8)
        return nullptr;
    Number n = number(modulus);
    Number e = number(exponent);
    Builder builder(OSSL_PARAM_BLD_new());
    if (!n || !e || !builder || BN_num_bits(n.get()) < kRsaBitsLeast ||
        BN_num_bits(n.get()) > kRsaBitsMost || !BN_is_odd(e.get()) || BN_is_one(e.get()))
        return nullptr;
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    return make("RSA", Parameters(OSSL_PARAM_BLD_to_param(builder.get())));
}

PublicKey curve_key(const JsonObject& object, const char** problem) {
    std::string_view curve;
    std::string point = "\x04" + value(object, "x") + value(object, "y");
    *problem = "is no point of P-256";
    Builder builder(OSSL_PARAM_BLD_new());
    if (string_member(object, "crv", curve) != Member::of_type || curve != "P-256" || !builder ||
        value(object, "x").size() != kCoordinateBytes || point.size() != 1 + 2 * kCoordinateBytes)
        return nullptr;
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
    return make("EC", Parameters(OSSL_PARAM_BLD_to_param(builder.get())));
}

PublicKey edwards_key(const JsonObject& object, const char** problem) {
    std::string_view curve;
    std::string point = value(object, "x");
    *problem = "is no key of Ed25519";
    if (string_member(object, "crv", curve) != Member::of_type || curve != "Ed25519")
        return nullptr;
    return PublicKey(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(point), point.size()));
}

/// Whether `use`, `key_ops` and `alg` let the key check signatures of that algorithm.
const char* other_purpose(const JsonObject& object, std::string_view algorithm) {
    std::string_view text;
    Member found = string_member(object, "alg", text);
    if (found == Member::of_other_type || (found == Member::of_type && text != algorithm))
        return "is for another algorithm";
    found = string_member(object, "use", text);
    if (found == Member::of_other_type || (found == Member::of_type && text != "sig"))
        return "is not for signatures";
    std::vector<std::string_view> operations;
    found = strings_member(object, "key_ops", OneString::whole, operations);
    bool verifies = std::find(operations.begin(), operations.end(), "verify") != operations.end();
    if (found != Member::absent && !verifies) return "is not for checking";
    return nullptr;
}

/// RFC 7518 section 3.4: r and s, 32 bytes each; OpenSSL wants them in DER.
std::string der_signature(std::string_view raw) {
    if (raw.size() != 2 * kCoordinateBytes) return {};
    Signature signature(ECDSA_SIG_new());
    Number r = number(raw.substr(0, kCoordinateBytes));
    Number s = number(raw.substr(kCoordinateBytes));
    if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
    (void)r.release();
    (void)s.release();
    unsigned char* der = nullptr;
    int size = i2d_ECDSA_SIG(signature.get(), &der);
    if (size <= 0) return {};
    std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
    return out;
}

bool verify_secret(const std::string& secret, std::string_view text, std::string_view signature) {
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    return HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes(text),
                text.size(), made, &size) &&
           signature.size() == size && CRYPTO_memcmp(signature.data(), made, size) == 0;
}

}  // namespace

std::optional<Algorithm> algorithm_of(std::string_view name) {
    if (name == "HS256") return Algorithm::hs256;
    if (name == "RS256") return Algorithm::rs256;
    if (name == "ES256") return Algorithm::es256;
    if (name == "EdDSA") return Algorithm::eddsa;
    return std::nullopt;
}

bool Key::verify(std::string_view text, std::string_view signature) const {
    if (algorithm_ == Algorithm::hs256) return verify_secret(secret_, text, signature);
    std::string der;
    if (algorithm_ == Algorithm::es256) {
        der = der_signature(signature);
        signature = der;
    }
    if (signature.empty()) return false;
    Digest digest(EVP_MD_CTX_new());
    const EVP_MD* hash = algorithm_ == Algorithm::eddsa ? nullptr : EVP_sha256();
    EVP_PKEY* key = public_key_.get();
    bool good = digest &&
                EVP_DigestVerifyInit(digest.get(), nullptr, hash, nullptr, key) == 1 &&
                EVP_DigestVerify(digest.get(), bytes(signature), signature.size(), bytes(text),
                                 text.size()) == 1;
    // The thread's queue of errors is shared with whoever else uses the library here.
    ERR_clear_error();
    return good;
}

std::optional<KeySet> KeySet::read(std::string_view text, KeySource source) {
    JsonReader reader(kKeySetBytesMost);
    std::optional<JsonObject> root = reader.object(text);
    simdjson::dom::array list;
    if (!root || root->at_key("keys").get(list) != simdjson::SUCCESS || list.size() > kKeysMost)
        return std::nullopt;
    KeySet set;
    for (simdjson::dom::element each : list) {
        JsonObject object;
        if (each.get(object) != simdjson::SUCCESS) return std::nullopt;
        set.read_key(object, source);
    }
    ERR_clear_error();
    return set;
}

void KeySet::read_key(const JsonObject& object, KeySource source) {
    std::string_view type;
    std::string_view id;
    if (string_member(object, "kty", type) != Member::of_type ||
        string_member(object, "kid", id) == Member::of_other_type) {
        passed_over_.emplace_back("a key without a kind");
        return;
    }
    const char* problem = nullptr;
    auto keep = [&](Algorithm algorithm, const char* name, auto make_key) {
        problem = other_purpose(object, name);
        if (problem) return;
        PublicKey key = make_key(object, &problem);
        if (!key) return;
        problem = nullptr;
        keys_.emplace_back(algorithm, id, std::move(key));
    };
    if (type == "RSA") {
        keep(Algorithm::rs256, "RS256", rsa_key);
    } else if (type == "EC") {
        keep(Algorithm::es256, "ES256", curve_key);
    } else if (type == "OKP") {
        keep(Algorithm::eddsa, "EdDSA", edwards_key);
    } else if (type == "oct" && source == KeySource::file) {
        std::string secret = value(object, "k");
        problem = other_purpose(object, "HS256");
        if (!problem && secret.size() < kSecretBytesLeast) problem = "is shorter than 32 bytes";
        if (!problem) keys_.emplace_back(id, std::move(secret));
    } else {
        problem = type == "oct" ? "is a secret, which only a file may hold" : "is of another kind";
    }
    if (problem) passed_over_.push_back('"' + std::string(id) + "\" " + problem);
}

const Key* KeySet::find(Algorithm algorithm, std::optional<std::string_view> id) const {
    const Key* found = nullptr;
    for (const Key& key : keys_) {
        if (key.algorithm() != algorithm) continue;
        if (id && key.id() == *id) return &key;
        if (!id && found) return nullptr;
        if (!id) found = &key;
    }
    return found;
}

}  // namespace authn
