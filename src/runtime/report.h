#pragma once
// What the command line says about a configuration: the table of routes, and why one request would
// go where it goes. From the compiled snapshot itself, so that the words cannot differ from the
// deeds.

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/packages.h"
#include "exchange/snapshot.h"

namespace ringtime::runtime {

enum class Format : uint8_t { text, json };

/// What stands behind a mount: `site /srv/www`, `upstream http://10.0.0.1:80`.
[[nodiscard]] std::string target_text(const exchange::Snapshot& snapshot,
                                      const exchange::Mount& mount);

[[nodiscard]] std::string routes_report(const exchange::Snapshot& snapshot, Format format);

struct ExplainQuestion {
    std::string_view method;
    std::string_view url;   ///< `/a/b?c`, or `http://host/a/b`.
    std::string_view host;  ///< Given beside the url; wins over the one in it.
};

/// False when the url or method cannot be a request; `out` then says why.
[[nodiscard]] bool explain_report(const config::Configuration& configuration,
                                  const exchange::Snapshot& snapshot,
                                  const ExplainQuestion& question, Format format, std::string& out);

}  // namespace ringtime::runtime
