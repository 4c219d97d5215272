#include "runtime/access_log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace ringtime::runtime {
namespace {

constexpr size_t kRingBytes = 2 * 1024 * 1024;
constexpr size_t kBusyBytes = kRingBytes / 4;
constexpr auto kInterval = std::chrono::milliseconds(50);
// A reader that takes nothing for this long loses lines.
constexpr int kWriteTimeoutMs = 1000;

}  // namespace

AccessLogWriter::AccessLogWriter(const config::AccessLog& destination)
    : destination_(destination) {}

AccessLogWriter::~AccessLogWriter() { stop(); }

bool AccessLogWriter::open(std::string& problem) {
    switch (destination_.kind) {
        case config::AccessLog::Kind::off: fd_ = -1; return true;
        case config::AccessLog::Kind::standard_output: fd_ = STDOUT_FILENO; return true;
        case config::AccessLog::Kind::standard_error: fd_ = STDERR_FILENO; return true;
        case config::AccessLog::Kind::file: break;
    }
    Fd opened(::open(destination_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    if (!opened) {
        problem = "cannot open the access log " + destination_.path + ": " + std::strerror(errno);
        return false;
    }
    file_ = std::move(opened);
    fd_ = file_.get();
    return true;
}

exchange::AccessLog& AccessLogWriter::add_core() {
    logs_.push_back(std::make_unique<exchange::AccessLog>(kRingBytes));
    return *logs_.back();
}

void AccessLogWriter::start() {
    ask_for_lines();
    // Cores add no lines to a log that is off and that nobody hears: nothing would ever wake for a
    // reason.
    bool wanted = destination_.kind != config::AccessLog::Kind::off || (feed_ && feed_->wanted());
    if (!wanted || thread_.joinable()) return;
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "access log");
}

// Cores encode lines only while somebody wants them.
void AccessLogWriter::ask_for_lines() noexcept {
    bool wanted = fd_ >= 0 || (feed_ && feed_->wanted());
    for (auto& log : logs_) log->set_wanted(wanted);
}

uint64_t AccessLogWriter::dropped() const noexcept {
    uint64_t sum = 0;
    for (const auto& log : logs_) sum += log->dropped();
    return sum;
}

void AccessLogWriter::stop() {
    stopping_.store(true);
    if (thread_.joinable()) thread_.join();
}

void AccessLogWriter::write_all(std::string_view bytes) {
    while (!bytes.empty() && fd_ >= 0) {
        ssize_t written = ::write(fd_, bytes.data(), bytes.size());
        if (written > 0) {
            bytes.remove_prefix(static_cast<size_t>(written));
        } else if (errno == EAGAIN) {
            pollfd ready{fd_, POLLOUT, 0};
            if (::poll(&ready, 1, kWriteTimeoutMs) <= 0) return;
        } else if (errno != EINTR) {
            return;
        }
    }
}

// True when there was so much that the next round should follow at once.
bool AccessLogWriter::write_round() {
    bool wrote = false;
    ask_for_lines();
    bool show = feed_ && feed_->wanted();
    for (auto& log : logs_) {
        shown_.clear();
        // To its end, past the wrap, so that lines of two cores never mix.
        for (int part = 0; part < 2; ++part) {
            std::string_view bytes = log->readable();
            write_all(bytes);
            if (show) shown_ += bytes;
            log->consumed(bytes.size());
            wrote = wrote || bytes.size() > kBusyBytes;
        }
        if (show) feed_->on_access(shown_);
    }
    return wrote;
}

void AccessLogWriter::run() {
    while (!stopping_.load()) {
        if (reopen_.exchange(false)) {
            std::string problem;
            (void)open(problem);
        }
        // tidy: allow(sleep) a writer of batches has nothing to wait for but time
        if (!write_round()) std::this_thread::sleep_for(kInterval);
    }
    write_round();
}

}  // namespace ringtime::runtime
