#pragma once
// Keys that tokens are checked with, as RFC 7517, 7518 and 8037 write them. A key serves one
// algorithm, which follows from what it is: a token's header chooses among keys, never what is done
// with one, so a public RSA key can never be taken for the secret of an HMAC.
//
// Immutable once read; any thread may check with them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/evp.h>

#include "json.h"

namespace authn {

enum class Algorithm : uint8_t { hs256, rs256, es256, eddsa };

/// Nothing for `none` and for whatever else this plugin does not check.
[[nodiscard]] std::optional<Algorithm> algorithm_of(std::string_view name);

struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

class Key {
 public:
    Key(Algorithm algorithm, std::string_view id, std::unique_ptr<EVP_PKEY, FreeKey> public_key)
        : algorithm_(algorithm), id_(id), public_key_(std::move(public_key)) {}
    Key(std::string_view id, std::string secret) : id_(id), secret_(std::move(secret)) {}

    [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
    [[nodiscard]] const std::string& id() const { return id_; }
    /// Whether `signature`, in the form of RFC 7515, is this key's for `text`.
    [[nodiscard]] bool verify(std::string_view text, std::string_view signature) const;

 private:
    Algorithm algorithm_ = Algorithm::hs256;
    std::string id_;
    std::string secret_;
    std::unique_ptr<EVP_PKEY, FreeKey> public_key_;
};

/// Where a set comes from: what everybody may read can hold no secrets.
enum class KeySource { file, url };

constexpr size_t kKeySetBytesMost = 256 * 1024;
constexpr size_t kKeysMost = 64;

class KeySet {
 public:
    /// Reads a JWKS. Keys of other kinds, other purposes or too small are passed over, as section 5
    /// of RFC 7517 wants; `passed_over` says which and why. Nothing when it is no JWKS.
    [[nodiscard]] static std::optional<KeySet> read(std::string_view text, KeySource source);

    /// The key of that name for that algorithm. A token without a name gets a key only when there
    /// is one for its algorithm: trying all would be work that strangers order.
    [[nodiscard]] const Key* find(Algorithm algorithm, std::optional<std::string_view> id) const;

    [[nodiscard]] size_t size() const { return keys_.size(); }
    [[nodiscard]] const std::vector<std::string>& passed_over() const { return passed_over_; }

 private:
    void read_key(const JsonObject& object, KeySource source);

    std::vector<Key> keys_;
    std::vector<std::string> passed_over_;
};

}  // namespace authn
