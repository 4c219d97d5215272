#pragma once
// Which other origins' pages may use what is served here (Fetch standard, "CORS protocol").
// Preflights are answered; every real response says the same, and what targets say themselves about
// it is replaced, so that there is one place to look.

#include <string>
#include <string_view>
#include <vector>

#include <ringtime/plugin.hpp>

class Cors {
 public:
    /// Of the key `cors`; throws when it cannot be meant. Without `origins` it does nothing.
    explicit Cors(const ringtime::Context& context);

    /// Answers a preflight; anything else goes on.
    [[nodiscard]] ringtime::Verdict on_request(ringtime::Request& request) const;
    void on_response(ringtime::Request& request, ringtime::Response& response) const;

 private:
    [[nodiscard]] bool active() const { return any_ || !origins_.empty(); }
    [[nodiscard]] bool allows(std::string_view origin) const;
    [[nodiscard]] bool allows_method(std::string_view method) const;

    bool any_ = false;
    bool credentials_ = false;
    std::vector<std::string> origins_;
    std::vector<std::string> methods_;
    std::string methods_text_;
    std::string headers_text_;  ///< Empty: whatever is asked for.
    std::string exposed_text_;
    std::string max_age_text_;
};
