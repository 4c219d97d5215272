#pragma once
// The parts of a manifest that have files of their own; used by manifest.cpp only.

#include "config/environment.h"
#include "config/manifest.h"
#include "config/yaml_reader.h"

namespace ringtime::config {

/// `timeout`, `ttl`, `workers` and the rest of a worker app, with the rules between them.
void read_worker_options(MapReader& map, WorkerOptions& worker);
void read_sandbox(MapReader& map, Manifest& manifest);
void read_hooks(MapReader& map, Manifest& manifest);
/// `upstream`: a map, or one server, or a list of servers.
void read_upstream(MapReader& map, Manifest& manifest);
/// `injectBase`, `compress`, `cacheControl`: how files are served.
void read_site(MapReader& map, SiteOptions& site);
/// `config`: the declared fields and their values; every known key must have been asked for before.
void read_config(MapReader& map, const Environment& environment, Manifest& manifest);

/// A glob of a request path: begins with a slash and can match a canonical path.
bool check_glob(const FileContext& context, std::string_view label,
                const Located<std::string>& glob);

inline constexpr uint64_t kHourMs = 3'600'000;
inline constexpr uint64_t kDayMs = 24 * kHourMs;

}  // namespace ringtime::config
