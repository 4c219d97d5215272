#pragma once
// Who may do what: rules in the order they are written, the first that is about a request decides.
// A request that no rule is about needs somebody, so what is forgotten is closed.

#include <string>
#include <string_view>
#include <vector>

#include "../shared/where.h"
#include "accounts.h"

namespace authn {

enum class Access { somebody, anyone, nobody };

struct Rule {
    shared::Where where;
    Access access = Access::somebody;
    std::vector<std::string> roles;  ///< Having one of them is enough; none: every somebody.
};

class Rules {
 public:
    enum class Answer { yes, who_are_you, no };

    Rules() = default;
    explicit Rules(std::vector<Rule> rules) : rules_(std::move(rules)) {}

    /// `identity` null: nobody. `path`: canonical, with the base. A path with `%2F` or `%5C` is one
    /// thing to us and may be another to who decodes it behind us, so both readings must be
    /// allowed.
    [[nodiscard]] Answer ask(std::string_view path, std::string_view method,
                             const Identity* identity) const;

 private:
    [[nodiscard]] Answer ask_once(std::string_view path, std::string_view method,
                                  const Identity* identity) const;

    std::vector<Rule> rules_;
};

/// The path as one who decodes `%2F` and `%5C` reads it, dot segments resolved. For tests here.
[[nodiscard]] std::string decoded_separators(std::string_view path);

}  // namespace authn
