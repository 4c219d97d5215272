#pragma once
// A mounted folder of files: what a manifest says about it, compiled once and then immutable. Part
// of a snapshot and shared by all cores; what a core has open and in memory of it is its
// SiteCache's.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/draft.h"
#include "http/head.h"
#include "site/caching.h"

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

/// Counts the releases of a site that were seen to be switched, for all cores: once a client has
/// been sent a page of the new release by one core, no other may answer from the old one.
class ReleaseCount {
 public:
    [[nodiscard]] uint64_t now() const noexcept { return count_.load(std::memory_order_acquire); }
    /// By a core that knew `from`: counts the switch unless another was first, who may have seen a
    /// later one. Returns what the caller knows now; it looks again when that is not now().
    [[nodiscard]] uint64_t switched(uint64_t from) noexcept {
        uint64_t known = from;
        bool first = count_.compare_exchange_strong(known, from + 1, std::memory_order_acq_rel);
        return first ? from + 1 : from;
    }

 private:
    std::atomic<uint64_t> count_{1};
};

// tidy: allow(data-path) shared by the copies of a site, taken once per core and snapshot
using ReleaseCounter = std::shared_ptr<ReleaseCount>;

class Site {
 public:
    explicit Site(SiteOptions options);

    [[nodiscard]] const SiteOptions& options() const noexcept { return options_; }
    /// Markup for the entrypoint; empty when it is served as it lies there.
    [[nodiscard]] const std::string& injection() const noexcept { return injection_; }
    /// Two sites of equal identity serve the same bytes: a reload that leaves one as it was keeps
    /// its files in memory.
    [[nodiscard]] const std::string& identity() const noexcept { return identity_; }
    [[nodiscard]] uint64_t hash() const noexcept { return hash_; }
    /// Different for every site ever made (copies share it): equal serials spare comparing
    /// identities.
    [[nodiscard]] uint64_t serial() const noexcept { return serial_; }

    [[nodiscard]] const ReleaseCounter& releases() const noexcept { return releases_; }

    /// Whether a rule's value may stand in a head.
    [[nodiscard]] static bool valid_cache_control(std::string_view value) noexcept;

 private:
    SiteOptions options_;
    std::string injection_;
    std::string identity_;
    uint64_t hash_;
    uint64_t serial_;
    ReleaseCounter releases_{new ReleaseCount};
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
