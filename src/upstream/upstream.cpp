#include "upstream/upstream.h"

#include "base/log.h"

namespace ringtime::upstream {
namespace {

uint64_t next_id() noexcept {
    static std::atomic<uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Upstream::Upstream(UpstreamSpec spec) : spec_(std::move(spec)), id_(next_id()) {
    for (const ServerSpec& server : spec_.servers)
        servers_.push_back(std::make_unique<Server>(server));
}

bool Upstream::note_failure(Server& server, Nanoseconds now) noexcept {
    unsigned in_a_row = server.note_failure();
    if (!spec_.ejection.enabled || in_a_row < spec_.ejection.failures) return false;
    return eject(server, now);
}

// Cores may decide this at once and exceed the share by one server each: a bound for a guess need
// not be exact.
bool Upstream::eject(Server& server, Nanoseconds now) noexcept {
    if (server.ejected(now)) return false;
    size_t ejected = 1;
    for (const auto& other : servers_) ejected += other->ejected(now) ? 1 : 0;
    if (ejected * 100 > servers_.size() * spec_.ejection.ejected_percent_max) return false;
    server.eject(now + from_milliseconds(spec_.ejection.ejection));
    server.set_failures(spec_.ejection.failures - 1);
    log_format(LogLevel::warn, "upstream", "{}: {} failed too often and gets no requests for {} ms",
               spec_.name, server.url(), spec_.ejection.ejection);
    return true;
}

// Waiting for its time would not be wrong for the server but for the requests: when servers are
// restarted in turn, the one that is back is out while the other one goes, and every request would
// have to be repeated, which the budget does not pay for.
void Upstream::readmit(Server& server, Nanoseconds now) noexcept {
    if (!server.readmit(now)) return;
    log_format(LogLevel::info, "upstream", "{}: {} has answered and gets requests again",
               spec_.name, server.url());
}

}  // namespace ringtime::upstream
