#pragma once
// A mounted folder of files: what a manifest says about it, compiled once and then immutable. Part
// of a snapshot and shared by all cores; what a core has open and in memory of it is its
// SiteCache's.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/draft.h"
#include "http/head.h"
#include "site/caching.h"
#include "site/releases.h"

namespace ringtime::site {

struct SiteOptions {
    std::string folder;                     ///< Absolute; may lead through symbolic links.
    std::string entrypoint = "index.html";  ///< Below the folder.
    std::string base = "/";                 ///< Where it is mounted.
    bool inject_base = false;               ///< `<base href>` into the entrypoint.
    std::string env_json;                   ///< PUBLIC_* and VITE_* as a JSON object; empty: none.
    std::vector<CacheRule> cache_rules;     ///< The first that matches wins.
    bool compress = true;                   ///< Text without a compressed sibling.
};

class Site {
 public:
    explicit Site(SiteOptions options);

    [[nodiscard]] const SiteOptions& options() const noexcept { return options_; }
    /// Markup for the entrypoint; empty when it is served as it lies there.
    [[nodiscard]] const std::string& injection() const noexcept { return injection_; }
    /// Two sites of equal identity serve the same bytes: a reload takes the one it had over, and
    /// with it the files in memory.
    [[nodiscard]] const std::string& identity() const noexcept { return identity_; }
    [[nodiscard]] uint64_t hash() const noexcept { return hash_; }
    /// Different for every site ever made.
    [[nodiscard]] uint64_t serial() const noexcept { return serial_; }

    /// What its cores know together; safe to use by all of them.
    [[nodiscard]] Releases& releases() const noexcept { return *releases_; }

    /// Whether a rule's value may stand in a head.
    [[nodiscard]] static bool valid_cache_control(std::string_view value) noexcept;

 private:
    SiteOptions options_;
    std::string injection_;
    std::string identity_;
    uint64_t hash_;
    uint64_t serial_;
    // tidy: allow(data-path) shared by the copies of a site, taken once per core
    std::shared_ptr<Releases> releases_{new Releases};
};

/// What of a request a site looks at. The object is borrowed until the answer is headed or
/// released: while one waits its owner may move the head it lies in and correct the views.
struct SiteRequest {
    http::Method method = http::Method::get;
    std::string_view path;   ///< Canonical, still escaped, base stripped, begins with `/`.
    std::string_view query;  ///< Without `?`; data() is null when there is none.
    /// What was stripped, as the client wrote it (`/shop@1`); data() is null for the site's own.
    std::string_view base;
    const http::FieldDraft* fields = nullptr;
};

/// A hash for tables and entity tags, the same on every machine. Not for hostile input where a
/// collision would matter.
[[nodiscard]] uint64_t hash_bytes(std::string_view bytes, uint64_t seed) noexcept;

}  // namespace ringtime::site
