#include "runtime/api_keys.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <simdjson.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "runtime/atomic_file.h"

namespace ringtime::runtime {
namespace {

using exchange::Role;

constexpr std::string_view kPrefix = "rtk_";
constexpr size_t kIdDigits = 12;
constexpr size_t kSecretDigits = 40;
constexpr size_t kSaltDigits = 32;
constexpr size_t kHashDigits = 2 * SHA256_DIGEST_LENGTH;
constexpr size_t kKeyBytes = kPrefix.size() + kIdDigits + 1 + kSecretDigits;
constexpr size_t kNameBytesMax = 64;
constexpr size_t kFileBytesMax = 1024 * 1024;

std::string to_hex(const unsigned char* bytes, size_t size) {
    std::string out;
    for (size_t i = 0; i < size; ++i) out += fmt::format("{:02x}", bytes[i]);
    return out;
}

bool is_hex(std::string_view text, size_t digits) noexcept {
    return text.size() == digits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Empty when the kernel has no randomness to give, which it always has once it has booted.
std::string random_hex(size_t digits) {
    std::array<unsigned char, 32> bytes{};
    if (::getrandom(bytes.data(), digits / 2, 0) != static_cast<ssize_t>(digits / 2)) return {};
    return to_hex(bytes.data(), digits / 2);
}

std::string hash_of(std::string_view salt, std::string_view secret) {
    std::string text = fmt::format("{}{}", salt, secret);
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    OPENSSL_cleanse(text.data(), text.size());
    return to_hex(digest.data(), digest.size());
}

bool is_key_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= kNameBytesMax &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.' || c == '@';
           });
}

std::string file_text(const std::vector<ApiKey>& keys) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("keys").begin_array();
    for (const ApiKey& key : keys) {
        json.begin_object().key("id").string(key.id).key("name").string(key.name);
        json.key("role").string(role_name(key.role)).key("createdMs").number(key.created_ms);
        json.key("salt").string(key.salt).key("hash").string(key.hash).end_object();
    }
    json.end_array().end_object();
    return out + "\n";
}

bool read_key(simdjson::dom::element item, ApiKey& key) {
    std::string_view id, name, role, salt, hash;
    if (item["id"].get(id) || item["name"].get(name) || item["role"].get(role) ||
        item["salt"].get(salt) || item["hash"].get(hash) ||
        item["createdMs"].get(key.created_ms))
        return false;
    auto known = parse_role(role);
    if (!known || !is_hex(id, kIdDigits) || !is_hex(salt, kSaltDigits) ||
        !is_hex(hash, kHashDigits) || !is_key_name(name))
        return false;
    key.role = *known;
    key.id = id;
    key.name = name;
    key.salt = salt;
    key.hash = hash;
    return true;
}

// False: not a file of ours.
bool read_keys(const std::string& text, std::vector<ApiKey>& keys) {
    simdjson::dom::parser parser;
    simdjson::dom::array items;
    if (parser.parse(text)["keys"].get(items)) return false;
    for (simdjson::dom::element item : items) {
        ApiKey key;
        if (keys.size() == limits::api_keys_max || !read_key(item, key)) return false;
        keys.push_back(std::move(key));
    }
    return true;
}

}  // namespace

std::string_view role_name(Role role) noexcept {
    switch (role) {
        case Role::none: return "none";
        case Role::viewer: return "viewer";
        case Role::editor: return "editor";
        case Role::admin: return "admin";
    }
    return "none";
}

std::optional<Role> parse_role(std::string_view text) noexcept {
    for (Role role : {Role::viewer, Role::editor, Role::admin}) {
        if (text == role_name(role)) return role;
    }
    return std::nullopt;
}

bool KeyStore::load(std::string& problem) {
    std::string text;
    FileRead outcome = read_file(file_, kFileBytesMax, text, problem);
    Keys keys;
    if (outcome == FileRead::good && !read_keys(text, keys)) {
        problem = fmt::format("{} is damaged; repair or remove it", file_);
        outcome = FileRead::failed;
    }
    std::lock_guard guard(lock_);
    unreadable_ = outcome == FileRead::failed;
    keys_ = std::make_shared<const Keys>(unreadable_ ? Keys{} : std::move(keys));
    return !unreadable_;
}

std::shared_ptr<const KeyStore::Keys> KeyStore::keys() const {
    std::lock_guard guard(lock_);
    return keys_;
}

bool KeyStore::empty() const { return keys()->empty(); }

std::vector<ApiKey> KeyStore::list() const { return *keys(); }

bool KeyStore::store(std::shared_ptr<const Keys> keys, std::string& problem) {
    if (unreadable_) {
        problem = fmt::format("{} could not be read, so it is not replaced", file_);
        return false;
    }
    if (!replace_file(file_, file_text(*keys), 0600, problem)) return false;
    std::lock_guard guard(lock_);
    keys_ = std::move(keys);
    return true;
}

std::optional<std::string> KeyStore::create(std::string_view name, Role role, ApiKey& made,
                                            std::string& problem) {
    std::lock_guard guard(writing_);
    if (!is_key_name(name)) {
        problem = fmt::format("a key's name has 1 to {} letters, digits and -_.@", kNameBytesMax);
        return std::nullopt;
    }
    Keys keys = list();
    if (keys.size() == limits::api_keys_max) {
        problem = fmt::format("there are {} keys, which is the most", keys.size());
        return std::nullopt;
    }
    std::string secret = random_hex(kSecretDigits);
    made = {random_hex(kIdDigits), std::string(name), role, wall_clock_milliseconds(),
            random_hex(kSaltDigits), {}};
    if (secret.empty() || made.id.empty() || made.salt.empty()) {
        problem = fmt::format("no randomness: {}", std::strerror(errno));
        return std::nullopt;
    }
    made.hash = hash_of(made.salt, secret);
    keys.push_back(made);
    if (!store(std::make_shared<const Keys>(std::move(keys)), problem)) return std::nullopt;
    return fmt::format("{}{}_{}", kPrefix, made.id, secret);
}

KeyStore::Removal KeyStore::remove(std::string_view id_or_name, std::string& problem) {
    std::lock_guard guard(writing_);
    Keys keys = list();
    auto is_it = [&](const ApiKey& key) { return key.id == id_or_name; };
    auto has_name = [&](const ApiKey& key) { return key.name == id_or_name; };
    auto found = std::find_if(keys.begin(), keys.end(), is_it);
    if (found == keys.end()) {
        if (std::count_if(keys.begin(), keys.end(), has_name) > 1) return Removal::ambiguous;
        found = std::find_if(keys.begin(), keys.end(), has_name);
    }
    if (found == keys.end()) return Removal::unknown;
    keys.erase(found);
    if (!store(std::make_shared<const Keys>(std::move(keys)), problem)) return Removal::failed;
    return Removal::removed;
}

std::optional<KeyStore::Holder> KeyStore::check(std::string_view text) const {
    if (text.size() != kKeyBytes || !text.starts_with(kPrefix) ||
        text[kPrefix.size() + kIdDigits] != '_')
        return std::nullopt;
    std::string_view id = text.substr(kPrefix.size(), kIdDigits);
    std::string_view secret = text.substr(kKeyBytes - kSecretDigits);
    // Ids are no secret. An unknown one is checked against a hash nothing has, at the same cost.
    static const ApiKey nobody{{}, {}, Role::none, 0, std::string(kSaltDigits, '0'),
                               std::string(kHashDigits, 'x')};
    std::shared_ptr<const Keys> all = keys();
    const ApiKey* key = &nobody;
    for (const ApiKey& candidate : *all) {
        if (candidate.id == id) key = &candidate;
    }
    std::string hash = hash_of(key->salt, secret);
    if (CRYPTO_memcmp(hash.data(), key->hash.data(), kHashDigits) != 0) return std::nullopt;
    return Holder{key->name, key->role};
}

}  // namespace ringtime::runtime
