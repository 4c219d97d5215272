#pragma once
// A page that only who shows a token may read: `Authorization: Bearer TOKEN`.

#include <string>
#include <string_view>

#include <ringtime/plugin.hpp>

namespace shared {

/// Equal, in a time that tells nothing of where they differ.
inline bool same_secret(std::string_view given, std::string_view wanted) {
    unsigned difference = given.size() == wanted.size() ? 0 : 1;
    for (size_t i = 0; i < given.size() && !wanted.empty(); ++i)
        difference |= static_cast<unsigned char>(given[i] ^ wanted[i % wanted.size()]);
    return difference == 0;
}

class Bearer {
 public:
    /// An empty token lets everybody in.
    explicit Bearer(std::string_view token) : token_(token) {}

    [[nodiscard]] bool lets_in(const ringtime::Request& request) const {
        if (token_.empty()) return true;
        constexpr std::string_view scheme = "Bearer ";
        std::string_view given = request.field(RINGTIME_FIELD_AUTHORIZATION);
        return given.substr(0, scheme.size()) == scheme &&
               same_secret(given.substr(scheme.size()), token_);
    }
    [[nodiscard]] static ringtime::Verdict refuse(ringtime::Request& request) {
        return request.refuse(401, "unauthorized", "The token is missing or wrong.",
                              {{"www-authenticate", "Bearer"}});
    }

 private:
    std::string token_;
};

}  // namespace shared
