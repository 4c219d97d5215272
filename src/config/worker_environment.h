#pragma once
// Which variables of a manifest reach a worker. Names that usually hold secrets are kept out unless
// the operator allowed them in RUNTIME_CONFIG: an app that can be uploaded must not be able to ask
// for the gateway's credentials.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringtime::config {

/// Name and value, in the order of the manifest.
using Variables = std::vector<std::pair<std::string, std::string>>;

/// Whether `name` looks like a secret, in any case: DATABASE_*, DB_*, API_KEY*, AUTH_KEY*,
/// SECRET_KEY*, PRIVATE_KEY* (the underscore may be absent), *_TOKEN, *_SECRET, *_PASSWORD, AWS_*,
/// GITHUB_*, OPENAI_*, ANTHROPIC_*, STRIPE_*.
[[nodiscard]] bool is_sensitive_name(std::string_view name) noexcept;

/// Whether the gateway sets `name` itself (APP_DIR, ENTRYPOINT, WORKER_ID, ...).
[[nodiscard]] bool is_gateway_variable(std::string_view name) noexcept;

/// Letters, digits and `_`, no digit first: what a shell can export.
[[nodiscard]] bool is_variable_name(std::string_view name) noexcept;

struct FilteredEnvironment {
    Variables kept;
    std::vector<std::string> blocked;  ///< Names only, for the warning.
};

/// The variables of `wanted` a worker may have.
[[nodiscard]] FilteredEnvironment filter_worker_environment(const Variables& wanted);

}  // namespace ringtime::config
