#pragma once
// Who may come in with a key or a password: lines of `name:hash` or `name:hash:role,role`, in the
// manifest or in a file beside it, so a file of `htpasswd -B` is one. No secret is ever stored.
//
// Immutable once read; any thread may look.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace authn {

/// Somebody, once he is known.
struct Identity {
    std::string name;
    std::vector<std::string> roles;
};

struct Account {
    Identity identity;
    std::string hash;
};

/// Throws std::invalid_argument naming the line (`where:3`) that is not one.
[[nodiscard]] Account read_account(std::string_view line, const std::string& where);
/// The same of every line of a file but empty ones and comments.
[[nodiscard]] std::vector<Account> read_accounts(const std::string& path);

/// API keys. They are long and random, so one round of SHA-256 is all that is needed to store them.
class ApiKeys {
 public:
    explicit ApiKeys(std::vector<Account> accounts);

    [[nodiscard]] bool empty() const { return keys_.empty(); }
    /// Null: nobody's.
    [[nodiscard]] const Identity* find(std::string_view key) const;

 private:
    using Digest = std::array<unsigned char, 32>;
    struct Entry {
        Digest digest;
        Identity identity;
    };
    // By the digest's beginning, the rest is compared in constant time. Who measures how far the
    // search came learns about a hash of what he sent, which he knows already.
    std::unordered_multimap<uint64_t, Entry> keys_;
};

/// Passwords, hashed by crypt(3): bcrypt, sha512-crypt, yescrypt.
class Passwords {
 public:
    /// Throws std::invalid_argument for a hash that this machine cannot check, or a weak kind.
    explicit Passwords(std::vector<Account> accounts);

    [[nodiscard]] bool empty() const { return accounts_.empty(); }
    [[nodiscard]] const Identity* find(std::string_view name) const;
    /// Takes as long as the hash wants, tens of milliseconds: for helper threads. A name that is
    /// not there takes as long as one that is, so that names cannot be found out.
    [[nodiscard]] bool check(const std::string& name, const std::string& password) const;

 private:
    std::unordered_map<std::string, Account> accounts_;
    std::string some_hash_;
};

/// `Authorization: Basic` (RFC 7617) taken apart. Nothing for what no password can be: control
/// characters (a zero would end what crypt reads early) and more than bcrypt looks at.
struct NameAndPassword {
    std::string name;
    std::string password;
};
[[nodiscard]] std::optional<NameAndPassword> parse_basic(std::string_view credentials);

}  // namespace authn
