#include "upstream/probe.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/address.h"
#include "net/proxy_header.h"

namespace ringtime::upstream {

std::string Probe::request_for(const UpstreamSpec& upstream, const ServerSpec& server) {
    std::string text;
    if (upstream.proxy_header != ProxyHeader::off) {
        char header[net::proxy_header_bytes_max];
        size_t size = upstream.proxy_header == ProxyHeader::v1 ? net::write_proxy_v1({}, header)
                                                               : net::write_proxy_v2_local(header);
        text.assign(header, size);
    }
    text += fmt::format(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: ringtime-health\r\naccept: */*\r\n"
        "connection: close\r\n\r\n",
        upstream.health.path, server.authority);
    return text;
}

void Probe::begin(const net::Endpoint& endpoint, const std::string& request,
                  Nanoseconds deadline) {
    request_ = &request;
    sent_ = 0;
    deadline_ = deadline;
    received_.clear();
    problem_.clear();
    parser_.reset();
    fd_ = Fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_) {
        problem_ = std::strerror(errno);
        return;
    }
    if (::connect(fd_.get(), endpoint.address(), endpoint.size) != 0 && errno != EINPROGRESS)
        (void)bad(std::strerror(errno));
}

short Probe::events() const noexcept { return sent_ < request_->size() ? POLLOUT : POLLIN; }

Probe::Verdict Probe::bad(std::string problem) {
    problem_ = std::move(problem);
    end();
    return Verdict::bad;
}

Probe::Verdict Probe::advance(const HealthSpec& health, Nanoseconds now) {
    if (!running()) return Verdict::bad;
    Verdict verdict = Verdict::pending;
    if (sent_ < request_->size()) verdict = send();
    if (verdict == Verdict::pending && sent_ == request_->size()) verdict = receive(health);
    if (verdict == Verdict::pending && now >= deadline_) return bad("no answer in time");
    return verdict;
}

Probe::Verdict Probe::send() {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
        return bad(std::strerror(error));
    ssize_t sent = ::send(fd_.get(), request_->data() + sent_, request_->size() - sent_,
                          MSG_NOSIGNAL);
    if (sent >= 0) {
        sent_ += static_cast<size_t>(sent);
        return Verdict::pending;
    }
    bool later = errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    return later ? Verdict::pending : bad(std::strerror(errno));
}

Probe::Verdict Probe::receive(const HealthSpec& health) {
    char bytes[4096];
    ssize_t size = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (size < 0) {
        bool later = errno == EAGAIN || errno == EINTR;
        return later ? Verdict::pending : bad(std::strerror(errno));
    }
    if (size == 0) return bad("closed without an answer");
    received_.append(bytes, static_cast<size_t>(size));
    for (;;) {
        http::ParseOutcome outcome = parser_.parse(received_.data(), received_.size(), head_);
        if (outcome.failed()) return bad("the answer is not valid HTTP");
        if (!outcome.complete()) return Verdict::pending;
        if (head_.status >= 200) return judge(health, head_.status);
        received_.erase(0, outcome.head_size);
        parser_.reset();
    }
}

Probe::Verdict Probe::judge(const HealthSpec& health, unsigned status) {
    end();
    bool good = health.statuses.empty()
                    ? status < 400
                    : std::find(health.statuses.begin(), health.statuses.end(), status) !=
                          health.statuses.end();
    return good ? Verdict::good : bad(fmt::format("it answers {}", status));
}

}  // namespace ringtime::upstream
