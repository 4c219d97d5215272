#pragma once
// One health check: a connection of its own, one request, the status of the answer. A step machine
// over a non-blocking socket; the checker's thread polls and calls it.

#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "http/head_parser.h"
#include "upstream/spec.h"

namespace ringtime::net {
struct Endpoint;
}

namespace ringtime::upstream {

class Probe {
 public:
    enum class Verdict : uint8_t { pending, good, bad };

    /// Begins a check. `request` outlives it.
    void begin(const net::Endpoint& endpoint, const std::string& request, Nanoseconds deadline);
    /// Call when the socket is ready, or its deadline has passed.
    [[nodiscard]] Verdict advance(const HealthSpec& health, Nanoseconds now);
    void end() noexcept { fd_.reset(); }

    [[nodiscard]] bool running() const noexcept { return static_cast<bool>(fd_); }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// What to poll for.
    [[nodiscard]] short events() const noexcept;
    [[nodiscard]] Nanoseconds deadline() const noexcept { return deadline_; }
    /// Why the last verdict was bad: for the log.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

    /// The request of every check of a server.
    [[nodiscard]] static std::string request_for(const UpstreamSpec& upstream,
                                                 const ServerSpec& server);

 private:
    [[nodiscard]] Verdict bad(std::string problem);
    [[nodiscard]] Verdict send();
    [[nodiscard]] Verdict receive(const HealthSpec& health);
    [[nodiscard]] Verdict judge(const HealthSpec& health, unsigned status);

    Fd fd_;
    const std::string* request_ = nullptr;
    size_t sent_ = 0;
    Nanoseconds deadline_ = 0;
    std::string received_;
    std::string problem_;
    http::ResponseParser parser_;
    http::ResponseHead head_;
};

}  // namespace ringtime::upstream
