#pragma once
// What the manifest says, checked to the letter: a misspelt or mistyped option of a guard would
// open what it was meant to close, so every one ends the start with its name.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "accounts.h"
#include "rules.h"
#include "token.h"

namespace authn {

struct IssuerConfig {
    Expectation expected;
    std::string prefix;  ///< Before every identity, where several issuers name people.
    std::string url;     ///< One of these two.
    std::string file;    ///< Absolute.
    std::string authorities_file;  ///< Of an https:// address; empty: whom the system trusts.
    unsigned refresh_s = 3600;
    unsigned refresh_least_s = 30;
};

struct Config {
    std::string realm;
    bool forward_credentials = false;
    unsigned cache_s = 60;
    std::string key_header;
    std::vector<Account> keys;
    std::vector<Account> passwords;
    std::vector<IssuerConfig> issuers;
    std::vector<Rule> rules;
};

/// `folder`: what relative files are relative to. Throws std::invalid_argument.
[[nodiscard]] Config read_config(std::string_view json, const std::string& folder);

}  // namespace authn
