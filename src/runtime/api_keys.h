#pragma once
// API keys: who may ask what of a gateway from outside the machine. A key is shown once, when it is
// made; the file (mode 0600, replaced whole) holds its salted hash. Keys carry 160 random bits, so
// one round of SHA-256 is all a thief of the file can be made to pay and all a check costs. Any
// thread.
//
//     rtk_<12 hex digits: its id>_<40 hex digits: its secret>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/api.h"

namespace ringtime::runtime {

[[nodiscard]] std::string_view role_name(exchange::Role role) noexcept;
/// Nothing for other words, and for `none`.
[[nodiscard]] std::optional<exchange::Role> parse_role(std::string_view text) noexcept;

struct ApiKey {
    std::string id;
    std::string name;  ///< For people: `ci`, `grafana`.
    exchange::Role role = exchange::Role::viewer;
    uint64_t created_ms = 0;  ///< Since 1970.
    std::string salt;         ///< Hexadecimal, as the file has it.
    std::string hash;
};

class KeyStore {
 public:
    /// `file` need not exist. Nothing is read yet.
    explicit KeyStore(std::string file) : file_(std::move(file)) {}

    /// False: the file is there and cannot be used; `problem` says why. The store then is empty and
    /// refuses to write, so that no key is lost.
    [[nodiscard]] bool load(std::string& problem);

    [[nodiscard]] bool empty() const;
    [[nodiscard]] std::vector<ApiKey> list() const;
    /// The key's text: the only time it can be seen. Nothing, and `problem`, when it cannot be
    /// kept.
    [[nodiscard]] std::optional<std::string> create(std::string_view name, exchange::Role role,
                                                    ApiKey& made, std::string& problem);
    /// By id, or by a name only one key has.
    enum class Removal : uint8_t { removed, unknown, ambiguous, failed };
    [[nodiscard]] Removal remove(std::string_view id_or_name, std::string& problem);

    /// Whose key `text` is; nothing when it is nobody's. Takes the same time for every wrong
    /// secret.
    struct Holder {
        std::string name;
        exchange::Role role = exchange::Role::none;
    };
    [[nodiscard]] std::optional<Holder> check(std::string_view text) const;

    [[nodiscard]] const std::string& file() const noexcept { return file_; }

 private:
    using Keys = std::vector<ApiKey>;

    [[nodiscard]] std::shared_ptr<const Keys> keys() const;
    [[nodiscard]] bool store(std::shared_ptr<const Keys> keys, std::string& problem);

    std::string file_;
    mutable std::mutex lock_;  ///< Held for the copy of a pointer.
    std::mutex writing_;
    std::shared_ptr<const Keys> keys_ = std::make_shared<const Keys>();
    bool unreadable_ = false;
};

}  // namespace ringtime::runtime
