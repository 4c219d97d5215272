#pragma once
// Upstreams as the API and the command line show them: numbers of all cores at one moment, as a
// table for people and as JSON for programs.

#include <string>
#include <vector>

#include "base/json.h"
#include "exchange/snapshot.h"
#include "upstream/reading.h"

namespace ringtime::runtime {

[[nodiscard]] std::vector<upstream::UpstreamReading> read_upstreams(
    const exchange::Snapshot& snapshot);
/// Empty when there are none.
[[nodiscard]] std::string upstreams_text(const std::vector<upstream::UpstreamReading>& all);
/// The value of a key: an array.
void write_upstreams(JsonWriter& json, const std::vector<upstream::UpstreamReading>& all);

}  // namespace ringtime::runtime
