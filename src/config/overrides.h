#pragma once
// What an operator switched on or off while the gateway ran, kept beside the packages: a small file
// in the data folder whose word wins over `enabled` in a manifest. Packages stay as they were
// delivered, and a reload or a restart sees the same.
//
//     # <data folder>/overrides.yaml
//     enabled:
//       shop: false
//       "@acme/plugin-auth": true

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/packages.h"

namespace ringtime::config {

struct Overrides {
    /// By the package's full name; every version of an app goes by the same one.
    std::map<std::string, Located<bool>, std::less<>> enabled;
};

[[nodiscard]] std::string overrides_file(std::string_view data_folder);

/// Nothing when there is no such file.
[[nodiscard]] Overrides load_overrides(std::string_view data_folder, Diagnostics& diagnostics);

/// Enables and disables; a name without a package is a warning.
void apply_overrides(const Overrides& overrides, std::string_view data_folder,
                     std::vector<Package>& packages, Diagnostics& diagnostics);

/// The file's content.
[[nodiscard]] std::string overrides_text(const Overrides& overrides);

}  // namespace ringtime::config
