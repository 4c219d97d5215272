#pragma once
// Collects mounts, app versions and public routes, checks them against each other, and compiles a
// RouteTable. Start-up and reload only: it allocates. The order of the calls decides nothing but
// the order of public routes of one origin; ids are the caller's and come back in every problem, so
// that the caller can name files and lines.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "route/problem.h"
#include "route/route_table.h"

namespace ringtime::route {

struct MountSpec {
    std::string_view
        host;  ///< Empty for any, `shop.example.com`, or `*.example.com` (one label or more).
    std::string_view base;  ///< `/`, or `/segment…`.
    uint32_t id = 0;        ///< One package: the same id for each of its hosts.
    uint8_t kind = 0;
};

struct VersionSpec {
    std::string_view host;
    std::string_view base;     ///< `/app` or `/@scope/app`.
    std::string_view version;  ///< Semantic version, or `latest`.
    uint32_t id = 0;
    uint8_t kind = 0;
};

struct PublicSpec {
    Origin origin = Origin::plugin;
    std::string_view host;  ///< Plugins: where the glob holds; as in MountSpec.
    uint32_t mount = none;  ///< Apps: id of the mount. The glob is relative to its base, and counts
                            ///< only for requests that this mount wins.
    std::string_view glob;  ///< Plugins: an absolute path.
    uint16_t methods = 0;   ///< Bits as in http/head.h.
    uint32_t source = 0;    ///< The caller's name for the manifest line.
};

struct BuildResult {
    std::unique_ptr<const RouteTable> table;  ///< Null if there is any error.
    std::vector<Problem> problems;
};

class TableBuilder {
  public:
    TableBuilder();
    explicit TableBuilder(const AutomatonCaps& caps);
    ~TableBuilder();
    TableBuilder(TableBuilder&&) noexcept;
    TableBuilder& operator=(TableBuilder&&) noexcept;

    /// Bases at or under `path` are refused.
    void reserve(std::string_view path);
    void add_mount(const MountSpec& spec);
    /// One folder of an app; the versions of one (host, base) together answer `/app` and
    /// `/app@range`.
    void add_app_version(const VersionSpec& spec);
    void add_public(const PublicSpec& spec);

    /// Consumes what was added. 100,000 bases take well under a second.
    [[nodiscard]] BuildResult build();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ringtime::route
