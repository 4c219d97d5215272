#include "accounts.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "../shared/ascii.h"
#include "base64.h"

namespace authn {
namespace {

constexpr size_t kNameBytesMost = 256;
// bcrypt looks at no more; two longer passwords that begin alike would be one.
constexpr size_t kPasswordBytesMost = 72;

std::string part(std::string_view& rest) {
    std::string out(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), out.size() + 1));
    return out;
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

bool from_hexadecimal(std::string_view text, unsigned char* out, size_t size) {
    if (text.size() != size * 2) return false;
    for (size_t i = 0; i < text.size(); ++i) {
        int value = shared::hex_value(text[i]);
        if (value < 0) return false;
        out[i / 2] = static_cast<unsigned char>(i % 2 ? out[i / 2] | value : value << 4);
    }
    return true;
}

uint64_t beginning(const std::array<unsigned char, 32>& digest) {
    uint64_t out = 0;
    std::memcpy(&out, digest.data(), sizeof out);
    return out;
}

}  // namespace

Account read_account(std::string_view line, const std::string& where) {
    std::string_view rest = line;
    Account account;
    account.identity.name = part(rest);
    account.hash = part(rest);
    while (!rest.empty()) {
        std::string role(rest.substr(0, rest.find(',')));
        rest.remove_prefix(std::min(rest.size(), role.size() + 1));
        if (!role.empty()) account.identity.roles.push_back(role);
    }
    if (account.identity.name.empty() || account.hash.empty() || has_control(line))
        throw std::invalid_argument(where + ": write `name:hash` or `name:hash:role,role`");
    return account;
}

std::vector<Account> read_accounts(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::invalid_argument(path + " cannot be read");
    std::vector<Account> out;
    std::string line;
    for (size_t number = 1; std::getline(file, line); ++number) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (line.empty() || line[0] == '#') continue;
        out.push_back(read_account(line, path + ":" + std::to_string(number)));
    }
    return out;
}

ApiKeys::ApiKeys(std::vector<Account> accounts) {
    for (Account& account : accounts) {
        Entry entry{{}, std::move(account.identity)};
        if (!from_hexadecimal(account.hash, entry.digest.data(), entry.digest.size()))
            throw std::invalid_argument("apiKeys: the hash of \"" + entry.identity.name +
                                        "\" is no SHA-256 in hexadecimal: printf %s \"$KEY\" | "
                                        "sha256sum");
        keys_.emplace(beginning(entry.digest), std::move(entry));
    }
}

const Identity* ApiKeys::find(std::string_view key) const {
    Digest digest;
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
    auto [first, last] = keys_.equal_range(beginning(digest));
    for (auto at = first; at != last; ++at) {
        if (CRYPTO_memcmp(at->second.digest.data(), digest.data(), digest.size()) == 0)
            return &at->second.identity;
    }
    return nullptr;
}

Passwords::Passwords(std::vector<Account> accounts) {
    for (Account& account : accounts) {
        std::string name = account.identity.name;
        if (crypt_checksalt(account.hash.c_str()) != CRYPT_SALT_OK)
            throw std::invalid_argument(
                "basic: the hash of \"" + name +
                "\" is of no kind that is fit for passwords: htpasswd -B, or mkpasswd -m "
                "sha512crypt");
        some_hash_ = account.hash;
        if (!accounts_.emplace(name, std::move(account)).second)
            throw std::invalid_argument("basic: \"" + name + "\" is there twice");
    }
}

const Identity* Passwords::find(std::string_view name) const {
    auto found = accounts_.find(std::string(name));
    return found == accounts_.end() ? nullptr : &found->second.identity;
}

bool Passwords::check(const std::string& name, const std::string& password) const {
    auto found = accounts_.find(name);
    const std::string& hash = found == accounts_.end() ? some_hash_ : found->second.hash;
    auto room = std::make_unique<crypt_data>();  // 32 KiB: not for a helper's stack.
    const char* made = crypt_r(password.c_str(), hash.c_str(), room.get());
    bool same = made && std::strlen(made) == hash.size() &&
                CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
    OPENSSL_cleanse(room.get(), sizeof *room);
    return same && found != accounts_.end();
}

std::optional<NameAndPassword> parse_basic(std::string_view credentials) {
    if (credentials.size() > 2 * (kNameBytesMost + kPasswordBytesMost)) return std::nullopt;
    std::optional<std::string> text = decode_base64(credentials);
    if (!text || has_control(*text)) return std::nullopt;
    size_t colon = text->find(':');
    if (colon == text->npos || colon > kNameBytesMost ||
        text->size() - colon - 1 > kPasswordBytesMost)
        return std::nullopt;
    return NameAndPassword{text->substr(0, colon), text->substr(colon + 1)};
}

}  // namespace authn
