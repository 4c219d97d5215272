#pragma once
// One change to the folders the packages live in, that can be taken back until it is kept: an
// upload put in its place, a package taken away, one enabled or disabled. Each is one rename or one
// file replaced, so that whoever reads the folders sees before or after. A reload decides which of
// the two it is. Control threads, one change at a time.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/environment.h"
#include "config/packages.h"
#include "exchange/api.h"

namespace ringtime::runtime {

class PackageChange {
 public:
    explicit PackageChange(const config::Configuration& current) : current_(current) {}
    /// Takes back what was not kept.
    ~PackageChange();
    PackageChange(const PackageChange&) = delete;
    PackageChange& operator=(const PackageChange&) = delete;

    /// Unpacks an archive and puts it where the package of that name (and, of apps, that version)
    /// is; a new one goes to `dir`, or to the first folder that can be written when it is empty.
    /// False: `problem`.
    [[nodiscard]] bool install(config::PackageKind kind, const exchange::BlockText& archive,
                               std::string_view dir, const config::Environment& environment,
                               std::string& problem);
    /// Takes the package away; of an app one version, or with an empty one all.
    enum class Removal : uint8_t { done, unknown, failed };
    [[nodiscard]] Removal remove(config::PackageKind kind, std::string_view name,
                                 std::string_view version, std::string& problem);
    /// Writes the overrides of the data folder; one that says what the manifest says is removed.
    enum class Switch : uint8_t { off, on };
    [[nodiscard]] bool set_enabled(const std::string& name, Switch state, std::string& problem);

    /// From here on the change stands; what it replaced is deleted.
    void keep();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& version() const noexcept { return version_; }
    [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
    /// An upload took the place of a package that was there.
    [[nodiscard]] bool replaced() const noexcept { return replaced_; }

 private:
    struct Step {
        enum class Kind : uint8_t { move, exchange, file } kind = Kind::move;
        std::string from;  ///< For `file`: the file.
        std::string to;    ///< For `file`: its content before.
        bool existed = true;
    };

    [[nodiscard]] bool choose_dir(config::PackageKind kind, std::string_view wanted,
                                  std::string& dir, std::string& problem) const;
    [[nodiscard]] bool make_temporary(const std::string& dir, std::string& path,
                                      std::string& problem);
    [[nodiscard]] bool unpack_into(const std::string& dir, const exchange::BlockText& archive,
                                   std::string& root, std::string& problem);
    [[nodiscard]] bool read_upload(config::PackageKind kind, const std::string& root,
                                   const config::Environment& environment, std::string& problem);
    [[nodiscard]] const config::Package* existing(config::PackageKind kind) const;
    [[nodiscard]] bool put(const std::string& from, const std::string& to, std::string& problem);
    [[nodiscard]] bool is_left(std::string_view name) const;
    [[nodiscard]] bool override_enabled(const std::string& name, std::optional<bool> enabled,
                                        std::string& problem);
    void undo();

    const config::Configuration& current_;
    std::vector<Step> steps_;
    std::vector<std::string> temporaries_;
    std::string name_;
    std::string version_;
    std::string folder_;
    bool replaced_ = false;
    bool kept_ = false;
};

/// By full or short name, among the enabled and the disabled; null when there is none.
[[nodiscard]] const config::Package* find_package(const config::Configuration& configuration,
                                                  config::PackageKind kind, std::string_view name);

}  // namespace ringtime::runtime
