#include "runtime/admin_client.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "http/body_decoder.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "runtime/admin_socket.h"

namespace ringtime::runtime {
namespace {

// A reload may wait for plugins and workers to start.
constexpr int kAnswerSeconds = 180;
constexpr size_t kAnswerBytesMax = 512 * 1024 * 1024;

bool send_all(int fd, std::string_view text) noexcept {
    while (!text.empty()) {
        ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        // A refusal may come before the whole body was taken: it is worth reading.
        if (sent <= 0) return errno == EPIPE || errno == ECONNRESET;
        text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
}

bool receive_all(int fd, std::string& out) {
    constexpr size_t step = 64 * 1024;
    while (out.size() < kAnswerBytesMax) {
        size_t size = out.size();
        out.resize(size + step);
        ssize_t got = ::recv(fd, out.data() + size, step, 0);
        out.resize(size + (got > 0 ? static_cast<size_t>(got) : 0));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0 || !out.empty();
    }
    return false;
}

bool read_answer(const std::string& text, AdminAnswer& answer) {
    http::ResponseParser parser(Source::gateway);
    http::ResponseHead head;
    http::ParseOutcome outcome = parser.parse(text.data(), text.size(), head);
    if (!outcome.complete()) return false;
    Result<http::Framing> framing =
        http::decide_response_framing(head, http::Method::post, Source::gateway);
    if (!framing.ok()) return false;
    http::BodyDecoder decoder(*framing, Source::gateway);
    size_t at = outcome.head_size;
    while (at < text.size() && !decoder.done()) {
        http::BodyDecoder::Step step = decoder.decode(text.data() + at, text.size() - at);
        if (!step.error.ok()) return false;
        answer.body.append(step.data, step.size);
        at += step.consumed;
    }
    answer.status = head.status;
    return decoder.on_eof() == http::BodyDecoder::End::complete;
}

}  // namespace

AdminOutcome ask_gateway(const std::string& socket_path, std::string_view method,
                         std::string_view target, std::string_view body, AdminAnswer& answer,
                         std::string& problem) {
    Fd fd = connect_admin_socket(socket_path);
    if (!fd) {
        bool nobody = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
        problem = fmt::format("{}: {}", socket_path, std::strerror(errno));
        return nobody ? AdminOutcome::no_gateway : AdminOutcome::failed;
    }
    timeval limit{kAnswerSeconds, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    std::string head = fmt::format(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        method, target, body.size());
    std::string text;
    if (!send_all(fd.get(), head) || !send_all(fd.get(), body) || !receive_all(fd.get(), text)) {
        problem = fmt::format("{}: the gateway did not answer: {}", socket_path,
                              std::strerror(errno));
        return AdminOutcome::failed;
    }
    if (text.empty()) {
        problem = fmt::format(
            "{}: the gateway closed the connection: it takes its own user and root only",
            socket_path);
        return AdminOutcome::failed;
    }
    if (!read_answer(text, answer)) {
        problem = fmt::format("{}: the answer is not whole", socket_path);
        return AdminOutcome::failed;
    }
    return AdminOutcome::answered;
}

std::string percent_encode(std::string_view text) {
    std::string out;
    for (char c : text) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

}  // namespace ringtime::runtime
